// Entries that are sorted, in the arena: in software, memory that invocations share takes a third of a millisecond to compile
// for each of its numbers, and there are two thousand.

// Where those of a row begin.
fn entries_at(row: u32) -> u32 {
    return shape.sorted + row * SORTED;
}

// A logit, and the id that it belongs to: of a piece or of a group, as a number.
fn entry_of(row: u32, index: u32) -> vec2<f32> {
    let at = entries_at(row) + 2u * index;
    return vec2<f32>(arena[at], arena[at + 1u]);
}

fn put_entry(row: u32, index: u32, entry: vec2<f32>) {
    let at = entries_at(row) + 2u * index;
    arena[at] = entry.x;
    arena[at + 1u] = entry.y;
}

// The groups that the best pieces are in.
fn group_of(row: u32, index: u32) -> f32 {
    return arena[entries_at(row) + 2u * ENTRIES + index];
}

fn put_group(row: u32, index: u32, group: f32) {
    arena[entries_at(row) + 2u * ENTRIES + index] = group;
}

// Until everybody has put what others read.
fn wait() {
    storageBarrier();
}
