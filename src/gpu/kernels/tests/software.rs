//! What software that stands in for a GPU needs of the kernels: that they are compiled in little time, and late where that is
//! possible. SwiftShader takes a third of a millisecond for each number that a workgroup shares.

use super::*;

/// Numbers that a kernel's workgroups share.
fn shared_numbers(source: &str) -> usize {
    let constant = |name: &str| -> usize {
        let (_, value) = source.split_once(&format!("const {name} = ")).expect("it is a constant");
        value.split_once("u;").expect("it is a whole number").0.parse().expect("it is a whole number")
    };
    let arrays = source.split("var<workgroup> ").skip(1).map(|after| {
        let (kind, length) = after
            .split_once(": array<")
            .and_then(|(_, after)| after.split_once(">;"))
            .and_then(|(array, _)| array.rsplit_once(", "))
            .expect("it is an array");
        let each = kind.strip_prefix("vec").map_or(1, |kind| kind[..1].parse().expect("vec2, vec3 or vec4"));
        each * constant(length)
    });
    arrays.sum()
}

#[test]
fn software_shares_little_memory_in_a_workgroup() {
    assert_eq!(shared_numbers(&source(Op::TopRow, WeightType::F32, &Widths::WIDE)), 2112 + 3 * 256);
    for widths in [Widths::NARROW, Widths::NARROW_SUBGROUPS] {
        for op in [
            Op::Embed,
            Op::LinearTile,
            Op::LinearVector,
            Op::Attention,
            Op::Norm,
            Op::TopPart,
            Op::TopRow,
            Op::Draw,
        ] {
            let numbers = shared_numbers(&source(op, WeightType::Int8, &widths));
            assert!(numbers <= 12, "{op:?} has {numbers} numbers in a workgroup");
        }
    }
}

#[test]
fn software_compiles_no_kernel_for_the_few_rows_of_a_text() {
    for (widths, in_a_text) in
        [(Widths::NARROW, false), (Widths::NARROW_SUBGROUPS, false), (Widths::WIDE, true)]
    {
        for rows in 1..=2 {
            assert_eq!(widths.one_by_one(rows, 16), in_a_text, "{rows} of 16 rows, {widths:?}");
            assert!(widths.one_by_one(rows, rows), "a token, {widths:?}");
        }
        assert!(!widths.one_by_one(17, 17), "{widths:?}");
        assert_eq!(Op::of_a_first_run(&widths).contains(&Op::LinearVector), in_a_text, "{widths:?}");
    }
}
