//! Weights in several files, given out as one: first the beginning of all of them, then their values. At most two are
//! fetched at a time.

use std::collections::VecDeque;

use futures_util::future;

use super::body::Body;
use super::download::Files;
use crate::checkpoint::{CheckpointError, Header, merged_beginning, shard_names};
use crate::engine::protocol::Problem;

/// The files of a checkpoint's weights.
pub struct Shards<'a> {
    /// What is given out before anything else.
    beginning: Option<Vec<u8>>,
    files: VecDeque<Shard<'a>>,
    announced: u64,
}

/// One of the files, its beginning taken off.
struct Shard<'a> {
    body: Body<'a>,
    /// Values that came with the beginning.
    values: Option<Vec<u8>>,
}

impl<'a> Shards<'a> {
    /// Opens the files that `index` names, and reads the beginning of each.
    ///
    /// # Errors
    /// As [`Body::next`], and whatever is wrong with one of them.
    pub(super) async fn open(files: &Files<'a>, index: &[u8]) -> Result<Shards<'a>, Problem> {
        let names = shard_names(index)?;
        let mut beginnings = Vec::new();
        let mut shards = VecDeque::new();
        for pair in names.chunks(2) {
            for (beginning, shard) in
                future::try_join_all(pair.iter().map(|name| Shard::open(files, name))).await?
            {
                beginnings.push(beginning);
                shards.push_back(shard);
            }
        }
        let beginning = merged_beginning(&beginnings)?;
        let announced = Header::parse(&beginning)?.file_length();
        let mut shards = Shards { beginning: Some(beginning), files: shards, announced };
        shards.fetch_two().await?;
        Ok(shards)
    }

    /// The length of the one file that these are read as.
    pub(super) fn announced(&self) -> u64 {
        self.announced
    }

    /// Lets the first two be on their way.
    async fn fetch_two(&mut self) -> Result<(), Problem> {
        for shard in self.files.iter_mut().take(2) {
            shard.body.wake().await?;
        }
        Ok(())
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// As [`Body::next`].
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        if let Some(beginning) = self.beginning.take() {
            return Ok(Some(beginning));
        }
        while let Some(shard) = self.files.front_mut() {
            if let Some(values) = shard.values.take() {
                return Ok(Some(values));
            }
            if let Some(piece) = shard.body.next().await? {
                return Ok(Some(piece));
            }
            self.files.pop_front();
            self.fetch_two().await?;
        }
        Ok(None)
    }
}

impl<'a> Shard<'a> {
    /// Opens a file, and takes its beginning off.
    async fn open(files: &Files<'a>, name: &str) -> Result<(Vec<u8>, Shard<'a>), Problem> {
        let named = |problem: CheckpointError| {
            let mut problem = Problem::from(problem).with("file", name);
            problem.detail = problem.detail.replace(crate::checkpoint::WEIGHTS_FILE, name);
            problem
        };
        let mut body = files.open(name).await?;
        let mut beginning = Vec::new();
        let length = loop {
            if let Some(length) = Header::needs(&beginning).map_err(named)?
                && beginning.len() >= length
            {
                break length;
            }
            match body.next().await? {
                Some(piece) => beginning.extend(piece),
                None => {
                    let found = beginning.len() as u64;
                    return Err(named(CheckpointError::Truncated { expected: found + 1, found }));
                }
            }
        };
        // The file goes on when its turn comes.
        body.sleep();
        let values = Some(beginning.split_off(length)).filter(|values| !values.is_empty());
        let header = Header::parse(&beginning).map_err(named)?;
        if let Some(announced) = body.announced() {
            header.check_length(announced).map_err(named)?;
        }
        Ok((beginning, Shard { body, values }))
    }
}
