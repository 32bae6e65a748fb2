//! What the GPU did: the last run once more, dispatch by dispatch.

use super::device::GpuError;
use super::execute::{GpuModel, Launch, Turn};
use super::plan::Scores;
use crate::trace::{Dispatch, Dispatches};

impl GpuModel {
    /// What the GPU does for the last run: it is done once more, a pass for each dispatch, and timed where the GPU can be
    /// asked for the time. None before the first run.
    ///
    /// # Errors
    /// As [`GpuModel::run`].
    pub async fn dispatches(&self) -> Result<Option<Dispatches>, GpuError> {
        let mut turn = self.turn.lock().await;
        let Turn { room, known, last, lies_there, whole } = &mut *turn;
        let Some((words, scores)) = last else { return Ok(None) };
        if *scores == Scores::Drawn || !*lies_there {
            // What it leaves in the arena is then not what lay there before: another run's results, or a step that began with
            // a token that was drawn, where there is a later one now.
            known.clear();
            *whole = None;
        }
        let steps = 0..self.plan.steps.len();
        let launches: Vec<Launch<'_>> = self.launches(room, words, steps, *scores).collect();
        let count = launches.len() as u32;
        let clock = self.gpu.clock(count * 2)?;
        self.gpu.write(&self.run, 0, words.words());
        let mut encoder = self.gpu.encoder();
        for (index, launch) in (0..).zip(&launches) {
            let timestamp_writes = clock.as_ref().map(|clock| clock.around(index));
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
            launch.encode(&mut encoder.begin_compute_pass(&descriptor));
        }
        if let Some(clock) = &clock {
            clock.resolve(&mut encoder, count);
        }
        self.gpu.submit(encoder);
        let times = match &clock {
            Some(clock) => clock.read(&self.gpu, count).await?,
            None => Vec::new(),
        };
        let dispatch = |(index, launch): (usize, &Launch<'_>)| {
            let [reads, writes] = launch.step.traffic(words, &self.plan.matrices);
            Dispatch {
                kernel: launch.op.name().to_owned(),
                computes: launch.step.computes.clone(),
                grid: launch.grid,
                reads,
                writes,
                ms: times.get(index).copied(),
            }
        };
        Ok(Some(Dispatches {
            dispatches: launches.iter().enumerate().map(dispatch).collect(),
            sources: launches
                .iter()
                .map(|launch| {
                    (launch.op.name().to_owned(), self.gpu.source(launch.op, self.plan.weight_type))
                })
                .collect(),
        }))
    }
}
