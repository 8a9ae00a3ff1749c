//! TEMP
pub mod sse {
    pub struct Event<'a> {
        pub data: &'a [u8],
    }
    #[derive(Default)]
    pub struct Splitter;
    impl Splitter {
        pub fn push(&mut self, _d: &bytes::Bytes, _s: &mut impl FnMut(Event<'_>)) {}
        pub fn finish(&mut self, _s: &mut impl FnMut(Event<'_>)) {}
    }
}
