// Entries that are sorted, in memory that the invocations of a workgroup share.

// Logits, and the ids that they belong to: of pieces or of groups, as numbers.
var<workgroup> entries: array<vec2<f32>, ENTRIES>;
var<workgroup> groups: array<f32, TOP>;

fn entry_of(row: u32, index: u32) -> vec2<f32> {
    return entries[index];
}

fn put_entry(row: u32, index: u32, entry: vec2<f32>) {
    entries[index] = entry;
}

// The groups that the best pieces are in.
fn group_of(row: u32, index: u32) -> f32 {
    return groups[index];
}

fn put_group(row: u32, index: u32, group: f32) {
    groups[index] = group;
}

// Until everybody has put what others read.
fn wait() {
    workgroupBarrier();
}
