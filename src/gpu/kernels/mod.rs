//! The kernels: for each `<op>.wgsl` an `<op>.rs` with its shape, its grid and a plain CPU twin, which the tests hold it
//! against.
//!
//! All kernels see the same memory: `arena` (what the network computes, `f32`), `weights` (one matrix), `vectors` (biases,
//! norms and small tables, `f32`), a `shape` of their own, `run` (what changes from run to run, `u32`), and `trace` (where
//! activations go that were asked for and have no place in the arena).

pub mod attention;
pub mod draw;
pub mod embed;
pub mod linear;
pub mod norm;
mod run;
pub mod top;

use super::weights::{Stored, WeightType};
use run::{ID_IS_DRAWN, WITHOUT_POSITION, WITHOUT_SEGMENT, WITHOUT_TOKEN};

pub use run::{RunLayout, RunWords};

/// Says that something has no place, or was not asked for.
pub const NONE: u32 = u32::MAX;

/// Turns a field of a shape into the word that a kernel reads.
pub(super) trait Word: Copy {
    fn word(self) -> u32;
}

impl Word for u32 {
    fn word(self) -> u32 {
        self
    }
}

impl Word for f32 {
    fn word(self) -> u32 {
        self.to_bits()
    }
}

/// A kernel's `struct Shape`, field by field as in its WGSL.
macro_rules! shape {
    ($(#[$doc:meta])* { $($(#[$field_doc:meta])* $field:ident: $kind:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct Shape {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl Shape {
            /// The fields' names and types, in the order in which they lie in memory.
            pub const FIELDS: &[(&str, &str)] = &[$((stringify!($field), stringify!($kind)),)*];

            /// The shape as the kernel reads it.
            pub fn words(&self) -> Vec<u32> {
                vec![$($crate::gpu::kernels::Word::word(self.$field),)*]
            }
        }
    };
}
use shape;

/// A kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// [`embed`].
    Embed,
    /// [`linear`] for a text.
    LinearTile,
    /// [`linear`] for a few rows.
    LinearVector,
    /// [`attention`].
    Attention,
    /// [`norm`].
    Norm,
    /// The first step of [`top`], for each part of a row of logits.
    TopPart,
    /// The second step of [`top`], for each row.
    TopRow,
    /// [`draw`].
    Draw,
}

impl Op {
    /// How many there are.
    pub(super) const COUNT: usize = Op::Draw as usize + 1;

    /// Those that every first run needs, in the order in which they are compiled.
    pub(super) fn of_a_first_run(widths: &Widths) -> &'static [Op] {
        match widths.one_by_one(1, usize::MAX) {
            true => &[Op::Embed, Op::LinearTile, Op::Attention, Op::LinearVector],
            false => &[Op::Embed, Op::LinearTile, Op::Attention],
        }
    }

    /// Those that drawing a token needs besides.
    pub(super) const OF_A_DRAW: [Op; 4] = [Op::LinearVector, Op::TopPart, Op::TopRow, Op::Draw];

    /// Whether it reads a matrix, whose type it is then compiled for.
    pub(super) fn reads_weights(self) -> bool {
        matches!(self, Op::Embed | Op::LinearTile | Op::LinearVector)
    }

    /// The kernel's name.
    pub fn name(self) -> &'static str {
        match self {
            Op::Embed => "embed",
            Op::LinearTile => "linear_tile",
            Op::LinearVector => "linear_vector",
            Op::Attention => "attention",
            Op::Norm => "norm",
            Op::TopPart => "top_part",
            Op::TopRow => "top_row",
            Op::Draw => "draw",
        }
    }
}

/// How kernels are made for an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// Whether invocations share what they read in their workgroup's memory: there is another form of some kernels for that.
    pub shares: bool,
    /// Whether four invocations hand each other what they read, as one subgroup: there is another form of some kernels for
    /// that too.
    pub subgroups: bool,
    /// Up to so many rows of a linear map are computed one by one ([`Widths::one_by_one`]): a tile that is nearly empty costs
    /// as much as a full one.
    pub few_rows: usize,
    /// Fours of outputs side by side in one workgroup, where there are many rows.
    pub tile_lanes: u32,
    /// Fours of outputs side by side in one workgroup, where there are few rows.
    pub vector_lanes: u32,
    /// Fours of outputs whose weights lie side by side; it divides `vector_lanes`, and that `tile_lanes`.
    pub panel_fours: u32,
    /// Invocations that share the inputs of one output, where there are few rows.
    pub slices: u32,
    /// Invocations that share four queries of a head; or heads, of which each has an invocation to itself.
    pub attention_lanes: u32,
    /// Invocations for one row of a norm, or of logits.
    pub row_lanes: u32,
    /// Invocations that sort the best of one row of logits, or draw one of them.
    pub sort_lanes: u32,
}

impl Widths {
    /// Few and independent, for software that runs a handful of invocations at once.
    pub const NARROW: Widths = Widths {
        shares: false,
        subgroups: false,
        few_rows: 2,
        tile_lanes: 16,
        vector_lanes: 16,
        panel_fours: 16,
        slices: 1,
        attention_lanes: 4,
        row_lanes: 4,
        sort_lanes: 4,
    };
    /// As [`Widths::NARROW`], where subgroups have at least [`Widths::SUBGROUP`] invocations.
    pub const NARROW_SUBGROUPS: Widths = Widths { subgroups: true, ..Widths::NARROW };
    /// Invocations that hand each other what they read.
    pub const SUBGROUP: u32 = 4;
    /// Many, for a GPU that hides the way to memory behind other work.
    pub const WIDE: Widths = Widths {
        shares: true,
        subgroups: false,
        few_rows: 16,
        tile_lanes: 16,
        vector_lanes: 1,
        panel_fours: 1,
        slices: 256,
        attention_lanes: 128,
        row_lanes: 64,
        sort_lanes: 256,
    };

    /// How many outputs there are of a map with those that fill up its last workgroup.
    pub fn padded(&self, outputs: usize) -> usize {
        outputs.next_multiple_of(self.tile_lanes as usize * 4)
    }

    /// Whether `rows` rows of a linear map are computed one by one, in a run that computes `of` positions. In software, where a
    /// row by itself takes two thirds of a tile's time, they are not within a text: its first run would have another kernel
    /// to compile, and wait for that longer than it wins.
    pub fn one_by_one(&self, rows: usize, of: usize) -> bool {
        rows <= self.few_rows && (self.shares || of <= self.few_rows)
    }

    /// Rows that one workgroup of a linear map computes, where there are many.
    pub fn tile_rows(&self) -> usize {
        if self.shares { 32 } else { 8 }
    }
}

/// The memory that the twins compute in.
pub struct Memory<'a> {
    /// What the network computes.
    pub arena: &'a mut [f32],
    /// The matrix, where the kernel reads one.
    pub weights: &'a Stored,
    /// Biases, norms and small tables.
    pub vectors: &'a [f32],
    /// What this run is.
    pub run: &'a RunWords,
    /// Where activations go that were asked for.
    pub trace: &'a mut [f32],
}

/// How every kernel reads a matrix, whatever the type of its weights.
const WEIGHTS: &str = include_str!("weights.wgsl");

/// How kernels read logits.
const LOGITS: &str = include_str!("logits.wgsl");

/// How the WGSL of a kernel begins that uses subgroups.
pub(super) const ENABLE_SUBGROUPS: &str = "enable subgroups;\n";

/// The WGSL of a kernel: its constants, what it shares with others, and its file. It is the same for all checkpoints: whatever
/// is theirs stands in the shape of each dispatch.
pub fn source(op: Op, weight_type: WeightType, widths: &Widths) -> String {
    let lanes = match op {
        Op::Attention => widths.attention_lanes,
        Op::Norm | Op::TopPart => widths.row_lanes,
        Op::TopRow | Op::Draw => widths.sort_lanes,
        Op::LinearVector => widths.vector_lanes,
        Op::LinearTile | Op::Embed => widths.tile_lanes,
    };
    let numbers = [
        ("NONE", NONE),
        ("LANES", lanes),
        // Keys that a query looks at together: one for each lane.
        ("BLOCK", lanes),
        ("SLICES", widths.slices),
        ("PANEL", widths.panel_fours),
        // Nothing is shared where nobody shares; software takes its time to clear such memory.
        ("SHARED", if widths.slices > 1 { lanes * widths.slices } else { 1 }),
    ];
    let (parts, names): (&[&str], &[(&str, u32)]) = match op {
        Op::Embed => (&[weight_type.source(), WEIGHTS, include_str!("embed.wgsl")], &[]),
        Op::LinearTile if widths.shares => (
            &[include_str!("linear.wgsl"), weight_type.source(), WEIGHTS, include_str!("linear_tile.wgsl")],
            &linear::NAMES,
        ),
        Op::LinearTile => (
            &[
                include_str!("linear.wgsl"),
                weight_type.source(),
                WEIGHTS,
                if widths.subgroups {
                    include_str!("rows_subgroup.wgsl")
                } else {
                    include_str!("rows_alone.wgsl")
                },
                include_str!("linear_tile_software.wgsl"),
            ],
            &linear::NAMES,
        ),
        Op::LinearVector => (
            &[include_str!("linear.wgsl"), weight_type.source(), WEIGHTS, include_str!("linear_vector.wgsl")],
            &linear::NAMES,
        ),
        Op::Attention => (
            &[
                include_str!("attention.wgsl"),
                if widths.shares {
                    include_str!("attention_tile.wgsl")
                } else {
                    include_str!("attention_software.wgsl")
                },
            ],
            &[],
        ),
        Op::Norm => (&[include_str!("norm.wgsl")], &[]),
        Op::TopPart => (&[include_str!("top.wgsl"), LOGITS, include_str!("top_part.wgsl")], &top::NAMES),
        Op::TopRow => (
            &[
                include_str!("top.wgsl"),
                LOGITS,
                if widths.shares {
                    include_str!("entries_shared.wgsl")
                } else {
                    include_str!("entries_arena.wgsl")
                },
                include_str!("top_row.wgsl"),
            ],
            &top::NAMES,
        ),
        Op::Draw => (&[include_str!("draw.wgsl"), LOGITS], &top::NAMES),
    };
    let body = parts.join("\n");
    let constants: String = numbers
        .iter()
        .chain(&run::NAMES)
        .chain(names)
        .filter(|(name, _)| body.contains(name))
        .map(|(name, value)| format!("const {name} = {value}u;\n"))
        .collect();
    let enable = if body.contains("subgroupBroadcast(") { ENABLE_SUBGROUPS } else { "" };
    format!("{enable}{constants}\n{body}")
}

#[cfg(test)]
mod tests;
