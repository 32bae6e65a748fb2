// Eight rows of x at a time, where every invocation reads all of them for itself.

// What an invocation reads of an input: rows 0 to 3, and rows 4 to 7.
alias Own = mat2x4<f32>;

// Where the rows that an invocation reads begin.
struct Begins {
    upper: vec4<u32>,
    lower: vec4<u32>,
}

// From row `first` on. Beyond the last row it is read again and its result dropped.
fn begins_of(first: u32, last: u32) -> Begins {
    var begins: array<u32, 8>;
    for (var r = 0u; r < 8u; r++) {
        begins[r] = shape.x + row_in(min(first + r, last)) * shape.inputs;
    }
    return Begins(
        vec4<u32>(begins[0], begins[1], begins[2], begins[3]),
        vec4<u32>(begins[4], begins[5], begins[6], begins[7]),
    );
}

// The numbers of four rows.
fn four(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(arena[at.x], arena[at.y], arena[at.z], arena[at.w]);
}

fn own_of(begins: Begins, k: u32) -> Own {
    return Own(four(begins.upper + k), four(begins.lower + k));
}

fn squared(own: Own) -> Own {
    return Own(own[0] * own[0], own[1] * own[1]);
}

// All eight rows.
fn rows_of(own: Own) -> mat2x4<f32> {
    return own;
}
