// What comes back of masks that are judged. Put behind batch.wgsl; where more than that is wanted of them, one of
// predictions.wgsl, outputs.wgsl and confusion.wgsl stands in its place.

// [masks]: correctly classified samples, or, where masks have a minimum, wrong ones; then [masks, 2]: losses,
// in two words.
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;
