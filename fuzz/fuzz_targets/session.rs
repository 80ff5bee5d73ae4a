#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nf_fuzz::sessions(bytes));
