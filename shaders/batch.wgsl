// What every kernel reads of a batch. Put in front of each kernel's text.

// The part of a batch that one dispatch covers. A vector is the samples that the kernel loads at once.
struct Window {
    // Index of the first mask among the uploaded masks, and how many.
    first_mask: u32,
    masks: u32,
    // The vectors of samples, from the first to one behind the last.
    first_vector: u32,
    end_vector: u32,
    // Vectors from one feature to the next.
    stride: u32,
    // Where the count of uploaded mask 0 lies.
    first_count: u32,
    // Where the margin of uploaded mask 0, or what it may get wrong, lies in `mask_networks`.
    first_extra: u32,
    // Where the loss of the batch's mask 0 lies in `counts`.
    first_loss: u32,
}

@group(0) @binding(0) var<uniform> window: Window;
// [masks, MASK_WORDS]
@group(0) @binding(1) var<storage, read> masks: array<u32>;
// [masks]: the network of each mask; then, where losses are wanted, [masks, 3]: each mask's margin; or, where
// masks have a minimum, [masks]: how many samples each may get wrong.
@group(0) @binding(2) var<storage, read> mask_networks: array<u32>;
