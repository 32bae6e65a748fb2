// Eight rows of x at a time, where the four invocations of a workgroup are in one subgroup: each reads two rows, and they
// hand each other what they read, which costs far less than to read it.

// What an invocation reads of an input: one row of 0 to 3, and one of 4 to 7.
alias Own = vec2<f32>;

// Where the rows that an invocation reads begin.
alias Begins = vec2<u32>;

// From row `first` on. Beyond the last row it is read again and its result dropped.
fn begins_of(first: u32, last: u32) -> Begins {
    // As many as there are invocations before it.
    let r = first + subgroupExclusiveAdd(1u);
    return Begins(row_in(min(r, last)), row_in(min(r + 4u, last))) * shape.inputs + shape.x;
}

fn own_of(begins: Begins, k: u32) -> Own {
    return Own(arena[begins.x + k], arena[begins.y + k]);
}

fn squared(own: Own) -> Own {
    return own * own;
}

// What each of the four invocations has.
fn everyones(own: f32) -> vec4<f32> {
    return vec4<f32>(
        subgroupBroadcast(own, 0u),
        subgroupBroadcast(own, 1u),
        subgroupBroadcast(own, 2u),
        subgroupBroadcast(own, 3u),
    );
}

// All eight rows.
fn rows_of(own: Own) -> mat2x4<f32> {
    return mat2x4<f32>(everyones(own.x), everyones(own.y));
}
