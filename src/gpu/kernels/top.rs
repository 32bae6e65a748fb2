//! The best of each row of logits, and the sums that give them probabilities: `top.wgsl`, in two steps.

use std::cmp::Ordering;

use super::{Memory, NONE, RunWords, shape};

/// How many of a row's logits are listed.
pub const TOP: usize = 64;

/// How many neighbours in a row leave their largest to the second step.
pub const GROUP: usize = 16;

/// How many logits one workgroup of the first step takes: whole groups.
pub const PART: usize = 1024;

/// Numbers that a part has, and that a list has before its logits.
pub const HEAD: usize = 4;

/// Length of a list, in numbers.
pub const LIST: usize = HEAD + 2 * TOP;

/// How many entries the second step sorts at a time: as many as the best groups hold.
const ENTRIES: usize = TOP * GROUP;

/// Numbers that this takes: logits, what they belong to, and the best groups.
pub const SORTED: usize = 2 * ENTRIES + TOP;

/// The names that the WGSL has for these sizes.
pub(super) const NAMES: [(&str, u32); 6] = [
    ("TOP", TOP as u32),
    ("GROUP", GROUP as u32),
    ("PART", PART as u32),
    ("LIST", LIST as u32),
    ("ENTRIES", ENTRIES as u32),
    ("SORTED", SORTED as u32),
];

/// What stands where there is no finite logit: an infinity could become anything on a GPU.
const LOWEST: f32 = f32::MIN;

shape! {
    /// As `struct Shape` in `top.wgsl`; both steps read it. Offsets into the arena count numbers.
    {
        /// Length of a row of logits.
        vocabulary: u32,
        /// The logits, `[row, vocabulary]`.
        logits: u32,
        /// The largest logit of each group, `[row, group]`.
        maxima: u32,
        /// The sums of each part, `[row, part, HEAD]`.
        parts: u32,
        /// The lists of the rows, `[row, LIST]`.
        best: u32,
        /// Where their entries are sorted, `[row, SORTED]`; [`NONE`] where the invocations of a workgroup share memory for that.
        sorted: u32,
    }
}

impl Shape {
    /// How many groups a row of logits has.
    pub fn groups_in_row(&self) -> usize {
        (self.vocabulary as usize).div_ceil(GROUP)
    }

    /// How many parts a row of logits has.
    pub fn parts_in_row(&self) -> usize {
        (self.vocabulary as usize).div_ceil(PART)
    }

    /// Workgroups of the first step for `rows` rows of logits.
    pub fn grid_of_parts(&self, rows: usize) -> [u32; 2] {
        [self.parts_in_row() as u32, rows as u32]
    }

    /// Workgroups of the second step for `rows` rows of logits.
    pub fn grid(&self, rows: usize) -> [u32; 2] {
        [1, rows as u32]
    }
}

/// A row's list, as it was read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// The largest logit.
    pub largest: f32,
    /// The sum of e^(logit − largest) over the vocabulary.
    pub total: f32,
    /// The sum of e^((logit − largest) ÷ temperature); as `total` at temperature 0.
    pub total_at_temperature: f32,
    /// Whether all logits are finite numbers. If not, the list leaves the others out.
    pub finite: bool,
    /// Ids and logits by falling logit, equal ones by rising id; fewer than [`TOP`] if there are no more.
    pub candidates: Vec<(u32, f32)>,
}

impl Best {
    /// Reads a list; none if it is not [`LIST`] numbers long.
    pub fn read(list: &[f32]) -> Option<Best> {
        let (&[largest, total, total_at_temperature, flaws], entries) = list.split_first_chunk::<HEAD>()?;
        let (logits, ids) = entries.split_at_checked(TOP).filter(|(_, ids)| ids.len() == TOP)?;
        // What fills a list up has an id beyond all that f32 holds exactly.
        let ids = ids.iter().map(|id| *id as u32).take_while(|id| *id != NONE);
        let candidates = ids.zip(logits.iter().copied()).collect();
        Some(Best { largest, total, total_at_temperature, finite: flaws == 0.0, candidates })
    }

    /// The probability of a logit of this row, at temperature 1.
    pub fn probability(&self, logit: f32) -> f32 {
        ((f64::from(logit) - f64::from(self.largest)).exp() / f64::from(self.total)) as f32
    }
}

/// e^difference at temperature 1 and at the run's.
fn weights_of(difference: f32, run: &RunWords) -> [f32; 2] {
    let finite = difference.max(LOWEST);
    [finite, finite * run.inverse_temperature()].map(|x| x.max(-100.0).exp())
}

fn kept(logit: f32) -> f32 {
    if logit.is_finite() { logit } else { LOWEST }
}

/// Ids and logits by falling logit, equal ones by rising id.
pub(super) fn ranked(logits: &[f32]) -> Vec<(u32, f32)> {
    let mut entries: Vec<(u32, f32)> = (0..).zip(logits.iter().map(|logit| kept(*logit))).collect();
    entries.sort_by(|(id_a, a), (id_b, b)| b.partial_cmp(a).unwrap_or(Ordering::Equal).then(id_a.cmp(id_b)));
    entries
}

fn largest_of(logits: &[f32]) -> f32 {
    logits.iter().fold(LOWEST, |most, logit| most.max(kept(*logit)))
}

/// The first step on the CPU, for the tests.
pub fn part_twin(shape: &Shape, memory: &mut Memory<'_>) {
    let Memory { arena, run, .. } = memory;
    let vocabulary = shape.vocabulary as usize;
    for row in 0..run.predicted() {
        let logits = arena[shape.logits as usize + row * vocabulary..][..vocabulary].to_vec();
        for (index, group) in logits.chunks(GROUP).enumerate() {
            arena[shape.maxima as usize + row * shape.groups_in_row() + index] = largest_of(group);
        }
        for (index, part) in logits.chunks(PART).enumerate() {
            let largest = largest_of(part);
            let mut sums = [0.0; 3];
            for logit in part {
                let [weight, heated] = weights_of(kept(*logit) - largest, run);
                sums[0] += weight;
                sums[1] += heated;
                sums[2] += f32::from(u8::from(!logit.is_finite()));
            }
            let at = shape.parts as usize + (row * shape.parts_in_row() + index) * HEAD;
            arena[at] = largest;
            arena[at + 1..at + HEAD].copy_from_slice(&sums);
        }
    }
}

/// The second step on the CPU, for the tests: it sorts the whole row. Where the GPU sorts in the arena, whatever it leaves there
/// is right, which NaN says.
pub fn row_twin(shape: &Shape, memory: &mut Memory<'_>) {
    let Memory { arena, run, .. } = memory;
    let (vocabulary, parts) = (shape.vocabulary as usize, shape.parts_in_row());
    for row in 0..run.predicted() {
        let mut entries = ranked(&arena[shape.logits as usize + row * vocabulary..][..vocabulary]);
        entries.resize(TOP, (NONE, LOWEST));
        let largest = entries[0].1;
        let mut sums = [0.0; 3];
        let heads = &arena[shape.parts as usize + row * parts * HEAD..][..parts * HEAD];
        for [part_largest, total, total_at_temperature, flaws] in heads.as_chunks::<HEAD>().0 {
            let [weight, heated] = weights_of(part_largest - largest, run);
            sums[0] += total * weight;
            sums[1] += total_at_temperature * heated;
            sums[2] += flaws;
        }
        let list = &mut arena[shape.best as usize + row * LIST..][..LIST];
        list[0] = largest;
        list[1..HEAD].copy_from_slice(&sums);
        for (rank, (id, logit)) in entries.into_iter().enumerate() {
            list[HEAD + rank] = logit;
            list[HEAD + TOP + rank] = id as f32;
        }
        if shape.sorted != NONE {
            arena[shape.sorted as usize + row * SORTED..][..SORTED].fill(f32::NAN);
        }
    }
}
