#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| nf_fuzz::model(bytes));

// A checksum that fits lets the change be looked at; the lengths in the header fit only what keeps its length, so most
// changes are made in place.
fuzz_mutator!(|bytes: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let room = if seed.is_multiple_of(4) { max_size } else { size };
    let changed = fuzzer_mutate(bytes, size, room);
    let changed = if changed < size && !seed.is_multiple_of(4) { size } else { changed };
    if !seed.is_multiple_of(16) {
        nf_fuzz::seal(&mut bytes[..changed]);
    }
    changed
});
