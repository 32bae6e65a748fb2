//! What is measured by what: a kernel writes several things at once, and a statistic as large as 1 must not excuse a pattern
//! whose numbers are a hundredth of that.

/// How far a number may lie from its twin's, relative to the largest of its region.
const TOLERANCE: f32 = 1e-4;

/// Numbers of the arena, or of the trace behind it, that are of one kind.
#[derive(Clone, Copy, Debug)]
pub(in crate::gpu::kernels) struct Region {
    pub(super) what: &'static str,
    pub(super) begin: usize,
    pub(super) end: usize,
    /// From one number to the next: those between may be of another kind.
    pub(super) step: usize,
}

impl Region {
    /// The region of a memory that lies behind another one, which has `length` numbers.
    pub(super) fn behind(self, length: usize) -> Region {
        Region { begin: self.begin + length, end: self.end + length, ..self }
    }

    fn numbers(self) -> impl Iterator<Item = usize> {
        (self.begin..self.end).step_by(self.step)
    }
}

fn same(a: f32, b: f32) -> bool {
    a == b || a.is_nan() && b.is_nan()
}

/// The first number of `theirs` that is not as the twin has it in `ours`, in words. What the twin writes lies in a region, and
/// may be off by so much of the largest that it writes there, or is NaN on both sides; everything else is as it was before.
pub(super) fn difference(regions: &[Region], before: &[f32], ours: &[f32], theirs: &[f32]) -> Option<String> {
    let written = |index: usize| !same(before[index], ours[index]);
    assert!((0..ours.len()).any(written), "the twin does nothing");
    let mut allowed = vec![f32::NAN; ours.len()];
    let mut of = vec!["outside of all regions"; ours.len()];
    for region in regions {
        let numbers = || region.numbers().filter(|index| written(*index));
        let largest = numbers().map(|index| ours[index].abs()).fold(0.0, f32::max);
        for index in numbers() {
            allowed[index] = TOLERANCE * largest;
            of[index] = region.what;
        }
    }
    let alike = |index: usize| {
        let (ours, theirs) = (ours[index], theirs[index]);
        // Where NaN is all that is allowed, nothing is alike.
        let may_be_off = written(index) && !ours.is_nan();
        if may_be_off { (ours - theirs).abs() <= allowed[index] } else { same(ours, theirs) }
    };
    let index = (0..ours.len()).find(|index| !alike(*index))?;
    let (of, before, ours, theirs) = (of[index], before[index], ours[index], theirs[index]);
    let allowed = allowed[index];
    Some(format!(
        "number {index}, {of}, is {theirs} on the GPU, {ours} by the twin, and was {before}; {allowed} is allowed"
    ))
}

#[test]
fn a_large_number_excuses_none_of_another_region() {
    let large = Region { what: "large", begin: 0, end: 4, step: 2 };
    let regions = [large, Region { what: "small", begin: 1, ..large }];
    let before = [7.0; 5];
    let ours = [100.0, 0.01, 50.0, f32::NAN, 7.0];
    let differs = |index: usize, number: f32| {
        let mut theirs = ours;
        theirs[index] = number;
        let found = difference(&regions, &before, &ours, &theirs);
        assert!(found.as_ref().is_none_or(|words| words.starts_with(&format!("number {index}, "))));
        found.is_some()
    };
    for (index, number) in [(0, 100.009), (1, 0.010_000_9), (2, 50.009), (3, -f32::NAN)] {
        assert!(!differs(index, number), "{number} for number {index}");
    }
    for (index, number) in [(0, 100.02), (1, 0.0101), (1, f32::NAN), (2, f32::INFINITY), (3, 0.0), (4, 7.001)]
    {
        assert!(differs(index, number), "{number} for number {index}");
    }
    let outside = [1.0, 1.0, 1.0, 1.0, 8.0];
    assert!(
        difference(&regions, &before, &outside, &outside).is_some(),
        "it is written outside of all regions"
    );
}
