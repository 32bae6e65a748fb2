//! Drawing tokens on a GPU (GPT): several before anything is read, each fed to the next step there.

use std::ops::Range;

use super::device::GpuError;
use super::execute::{GpuModel, Turn, bytes, shared};
use super::kernels::top::Best;
use super::kernels::{RunWords, top};
use super::plan::Scores;
use crate::engine::protocol::Sampling;

/// The most tokens that are drawn before they are read.
pub const DECODED: usize = 16;

/// A token that the GPU drew.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Its row in the vocabulary.
    pub id: u32,
    /// The best scores that it was drawn by.
    pub best: Best,
}

impl GpuModel {
    /// Continues `ids` (GPT), with one reading, by a token for each of `draws`, their numbers; each token is drawn on
    /// the GPU and fed back there. Fewer come if the model is full.
    ///
    /// # Errors
    /// As [`GpuModel::run`].
    pub async fn decode(
        &self,
        ids: &[u32],
        sampling: &Sampling,
        draws: Range<usize>,
    ) -> Result<Vec<Drawn>, GpuError> {
        let (Some(best), Some(drawn), Some(steps)) = (self.plan.best, self.plan.drawn, &self.steps) else {
            return Ok(Vec::new());
        };
        let mut turn = self.turn.lock().await;
        let Turn { room, known, last, lies_there, whole } = &mut *turn;
        let past = shared(known, ids);
        known.clear();
        *whole = None;
        *lies_there = false;
        let capacity = self.plan.layout.capacity;
        let count = draws.len().min(DECODED).min(capacity.saturating_sub(ids.len()));
        let words: Vec<RunWords> = (0..count)
            .zip(draws)
            .map(|(index, draw)| {
                let position = ids.len() - 1 + index;
                let predict = [position as u32];
                let mut words = match index {
                    0 => RunWords::new(self.plan.layout, past, &ids[past..], &[], &predict),
                    _ => RunWords::new(self.plan.layout, position, &[0], &[], &predict),
                };
                if index > 0 {
                    words.follow();
                }
                words.sample(sampling, draw);
                words
            })
            .collect();
        let Some(length) = words.first().map(|words| words.words().len()) else { return Ok(Vec::new()) };
        let each = top::LIST + 1;
        self.make_room(room, 0, count * each).await?;
        for (index, words) in words.iter().enumerate() {
            self.gpu.write(steps, index * length, words.words());
        }
        let mut encoder = self.gpu.encoder();
        for (index, words) in words.iter().enumerate() {
            encoder.copy_buffer_to_buffer(steps, bytes(index * length), &self.run, 0, bytes(length));
            let launches = self.launches(room, words, 0..self.plan.steps.len(), Scores::Drawn);
            self.encode(&mut encoder, launches);
            let mut to = bytes(index * each);
            for (region, width) in [(best, top::LIST), (drawn, 1)] {
                let at = bytes(region.offset as usize);
                encoder.copy_buffer_to_buffer(&self.arena, at, &room.read, to, bytes(width));
                to += bytes(width);
            }
            // In lots of 1, 2, 4 and the rest: while the GPU draws some, twice as many are made ready.
            if matches!(index + 1, 1 | 3 | 7) && index + 1 < count {
                self.gpu.submit(std::mem::replace(&mut encoder, self.gpu.encoder()));
            }
        }
        self.gpu.submit(encoder);
        let values: Vec<f32> = self.gpu.read(&room.read, count * each).await?;
        *last = words.into_iter().last().map(|words| (words, Scores::Drawn));
        *lies_there = true;

        let read = |values: &[f32]| {
            let (&id, list) = values.split_last()?;
            Some(Drawn { id: id as u32, best: Best::read(list)? })
        };
        let drawn: Vec<Drawn> = values.chunks(each).filter_map(read).collect();
        known.extend_from_slice(ids);
        known.extend(drawn.iter().map(|drawn| drawn.id));
        // Nothing was computed of the last one.
        known.pop();
        Ok(drawn)
    }
}
