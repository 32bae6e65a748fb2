//! The parts that networks are made of: matrices, linear maps and layer norms, as plain numbers.

/// A table of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// The values, `[rows, cols]`, a row after the other.
    pub data: Vec<f32>,
}

/// A linear map with a bias: `y = x · weight + bias`.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// `[in, out]`, whichever way it lay in the file: PyTorch's `Linear` stores `[out, in]`, GPT-2's `Conv1D`
    /// `[in, out]`.
    pub weight: Matrix,
    /// `[out]`.
    pub bias: Vec<f32>,
}

/// The scale and the shift of a layer norm (Ba et al. 2016).
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// The scale, `[hidden]`; newer files call it `weight`.
    pub gamma: Vec<f32>,
    /// The shift, `[hidden]`; newer files call it `bias`.
    pub beta: Vec<f32>,
}
