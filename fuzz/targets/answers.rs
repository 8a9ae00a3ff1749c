#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gproxy_fuzz::answers(data));
