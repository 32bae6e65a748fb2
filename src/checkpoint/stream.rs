//! The weights' file as it arrives: its header, then one tensor after the other, whatever pieces it comes in.

use std::collections::VecDeque;

use super::{CheckpointError, Header};

/// The header's length and its first byte: enough to see what kind of file it is.
const BEGINNING: usize = 9;

/// Takes the bytes of a `model.safetensors` in pieces of any length, and holds one tensor of them at a time.
#[derive(Debug)]
pub struct TensorStream {
    /// What has arrived of the part that is under way. Its memory is that of the largest tensor, and stays.
    arrived: Vec<u8>,
    /// Bytes of the whole file, where that was announced.
    announced: Option<u64>,
    /// Bytes of that part.
    length: usize,
    part: Part,
    /// The tensors that follow, by name and length.
    later: VecDeque<(String, usize)>,
    /// Bytes that were taken so far.
    taken: u64,
}

#[derive(Debug)]
enum Part {
    Beginning,
    Header,
    Tensor(String),
    /// What no file should have.
    Rest,
}

/// What has arrived.
#[derive(Debug)]
pub enum Arrived<'a> {
    /// Which tensors will follow.
    Header(Header),
    /// A tensor, by its name, with its bytes.
    Tensor(&'a str, &'a [u8]),
}

impl TensorStream {
    /// A file of `announced` bytes, where that is known.
    pub fn new(announced: Option<u64>) -> TensorStream {
        TensorStream {
            arrived: Vec::new(),
            announced,
            length: BEGINNING,
            part: Part::Beginning,
            later: VecDeque::new(),
            taken: 0,
        }
    }

    /// Takes bytes from the front of `piece` until something is complete; none when the piece is used up.
    ///
    /// # Errors
    /// [`CheckpointError::NotSafetensors`], [`CheckpointError::CorruptHeader`] or [`CheckpointError::Truncated`], as soon
    /// as it is seen; [`CheckpointError::NoMemory`] if there is none for the largest tensor.
    pub fn push(&mut self, piece: &mut &[u8]) -> Result<Option<Arrived<'_>>, CheckpointError> {
        if matches!(self.part, Part::Tensor(_)) && self.arrived.len() == self.length {
            self.next_tensor();
        }
        loop {
            let missing = self.length.saturating_sub(self.arrived.len()).min(piece.len());
            let (now, later) = piece.split_at(missing);
            self.arrived.extend_from_slice(now);
            self.taken += missing as u64;
            *piece = later;
            if self.arrived.len() < self.length {
                return Ok(None);
            }
            match self.part {
                Part::Beginning => {
                    self.length = Header::needs(&self.arrived)?.unwrap_or(BEGINNING);
                    self.part = Part::Header;
                }
                Part::Header => {
                    let header = Header::parse(&self.arrived)?;
                    if let Some(announced) = self.announced {
                        header.check_length(announced)?;
                    }
                    let mut begin = 0;
                    let mut tensor = |(name, end): (&str, usize)| {
                        let length = end - begin;
                        begin = end;
                        (name.to_owned(), length)
                    };
                    self.later = header.ends().map(&mut tensor).collect();
                    self.arrived = Vec::new();
                    // Memory is asked for once. What nobody announced may be a lie: it grows as it arrives.
                    if let Some((key, bytes)) = self
                        .later
                        .iter()
                        .max_by_key(|(_, length)| *length)
                        .filter(|_| self.announced.is_some())
                    {
                        let no_memory = |_| CheckpointError::NoMemory { key: key.clone(), bytes: *bytes };
                        self.arrived.try_reserve_exact(*bytes).map_err(no_memory)?;
                    }
                    self.next_tensor();
                    return Ok(Some(Arrived::Header(header)));
                }
                Part::Tensor(ref name) => return Ok(Some(Arrived::Tensor(name, &self.arrived))),
                Part::Rest => {
                    self.taken += piece.len() as u64;
                    *piece = &[];
                    return Ok(None);
                }
            }
        }
    }

    fn next_tensor(&mut self) {
        self.arrived.clear();
        (self.part, self.length) = match self.later.pop_front() {
            Some((name, length)) => (Part::Tensor(name), length),
            None => (Part::Rest, 0),
        };
    }

    /// Bytes that were taken so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with tensors of these lengths in bytes.
    fn file(lengths: &[usize]) -> Vec<u8> {
        let mut begin = 0;
        let mut entries = Vec::new();
        for (index, length) in lengths.iter().enumerate() {
            let end = begin + length;
            let shape = length / 4;
            entries.push(format!(
                "\"t{index}\":{{\"dtype\":\"F32\",\"shape\":[{shape}],\"data_offsets\":[{begin},{end}]}}"
            ));
            begin = end;
        }
        let header = format!("{{{}}}", entries.join(","));
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend((0..begin).map(|i| i as u8));
        bytes
    }

    #[test]
    fn every_tensor_arrives_whole_whatever_the_pieces() {
        let lengths = [8, 400, 4, 0, 12];
        let bytes = file(&lengths);
        for size in [1, 2, 7, 9, 10, 64, 1000, bytes.len()] {
            let mut stream = TensorStream::new(Some(bytes.len() as u64));
            let mut tensors = Vec::new();
            let mut headers = 0;
            for mut piece in bytes.chunks(size) {
                while let Some(arrived) = stream.push(&mut piece).unwrap() {
                    match arrived {
                        Arrived::Header(header) => {
                            headers += 1;
                            assert_eq!(header.file_length(), bytes.len() as u64);
                        }
                        Arrived::Tensor(name, bytes) => tensors.push((name.to_owned(), bytes.to_vec())),
                    }
                }
            }
            assert_eq!((headers, stream.taken()), (1, bytes.len() as u64));
            let mut values = bytes[bytes.len() - 424..].to_vec();
            for (index, length) in lengths.into_iter().enumerate() {
                let rest = values.split_off(length);
                assert_eq!(tensors[index], (format!("t{index}"), values), "in pieces of {size}");
                values = rest;
            }
            assert_eq!(tensors.len(), lengths.len());
        }
    }

    #[test]
    fn what_follows_the_last_tensor_is_counted() {
        let mut bytes = file(&[8]);
        let whole = bytes.len() as u64;
        bytes.extend([0; 5]);
        let mut stream = TensorStream::new(None);
        let mut piece = bytes.as_slice();
        while stream.push(&mut piece).unwrap().is_some() {}
        assert_eq!(stream.taken(), whole + 5);
    }
}
