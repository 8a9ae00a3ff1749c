#![no_main]

use gproxy::transform::generate::Dialect;

libfuzzer_sys::fuzz_target!(|data: &[u8]| gproxy_fuzz::stream(Dialect::Responses, data));
