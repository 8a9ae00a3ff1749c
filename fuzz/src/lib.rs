//! What the fuzz targets hold true of every input.

#[path = "../../tests/transform/ends.rs"]
mod ends;

use gproxy::{
    protocol::frame::{Framing, json_array::Elements, ndjson::Lines, sse::Splitter},
    transform::generate::{self, Asked, Collector, Dialect, StreamConverter, Target, Telling, Wire},
};

fn telling() -> Telling {
    Telling::new("r-1".to_owned(), 1_760_000_000, "m-1".to_owned(), 20, Wire::Sse)
}

/// A size of pieces that depends on the input alone.
fn step(data: &[u8]) -> usize {
    1 + data.len() % 13
}

/// Any chunking of the same bytes gives the same events, and no more bytes than came.
pub fn framing(data: &[u8]) {
    let framings: [fn() -> Framing; 3] =
        [|| Framing::Sse(Splitter::default()), || Framing::Ndjson(Lines::default()), || Framing::JsonArray(Elements::default())];
    for new in framings {
        let events = |size: usize| {
            let (mut framing, mut all, mut bytes) = (new(), Vec::new(), 0);
            let mut take = |event: gproxy::protocol::frame::Event<'_>| {
                assert!(event.raw.end <= data.len() as u64 && event.raw.start <= event.raw.end, "{event:?}");
                bytes += event.data.len();
                all.push((event.name.to_vec(), event.data.to_vec()));
            };
            for chunk in data.chunks(size) {
                framing.push(chunk, &mut take).expect("less than the cap");
            }
            framing.finish(&mut take);
            assert!(bytes <= data.len());
            all
        };
        assert_eq!(events(usize::MAX), events(step(data)));
    }
}

/// A request that is read is written as a request that the target reads.
pub fn request(from: Dialect, data: &[u8]) {
    let asked = Asked { model: "m-1", streams: true, goes_on_from: None };
    for to in Dialect::ALL {
        let Ok(there) = generate::request(from, to, data, asked, Target::default()) else { continue };
        serde_json::from_slice::<serde::de::IgnoredAny>(&there.body).expect("JSON");
        let again = generate::request(from, to, data, asked, Target::default()).expect("it went before");
        assert_eq!(there.body, again.body, "deterministic");
        if let Err(refused) = generate::request(to, to, &there.body, asked, Target::default()) {
            panic!("{to:?} does not read what it wrote: {refused}: {}", String::from_utf8_lossy(&there.body));
        }
    }
}

/// An answer that is read is told in every dialect, whole and as a stream that ends once.
pub fn answers(data: &[u8]) {
    for from in Dialect::ALL {
        for to in Dialect::ALL {
            let Ok((told, _)) = generate::answer(from, to, data, &telling()) else { continue };
            serde_json::from_slice::<serde::de::IgnoredAny>(&told).expect("JSON");
            let (stream, _) = generate::stream_of_answer(from, to, data, &telling()).expect("it was read before");
            ended(to, &stream);
        }
    }
}

/// Whatever comes, the client's stream ends once, and its pieces do not matter.
pub fn stream(from: Dialect, data: &[u8]) {
    for to in Dialect::ALL {
        let told = |size: usize| {
            let mut converter = StreamConverter::new(from, Framing::Sse(Splitter::default()), to, &telling());
            let mut out = Vec::new();
            for chunk in data.chunks(size) {
                out.extend(converter.push(chunk).expect("less than the cap"));
            }
            out.extend(converter.finish());
            out
        };
        let whole = told(usize::MAX);
        ended(to, &whole);
        assert!(whole == told(step(data)), "chunks matter");
    }
    let mut collector = Collector::new(from, Framing::Sse(Splitter::default()));
    collector.push(data).expect("less than the cap");
    if let Ok((told, _)) = collector.finish(from, &telling()) {
        serde_json::from_slice::<serde::de::IgnoredAny>(&told).expect("JSON");
    }
}

fn ended(dialect: Dialect, stream: &[u8]) {
    let stream = std::str::from_utf8(stream).expect("UTF-8");
    if let Err(fault) = ends::end(dialect, stream) {
        panic!("{dialect:?}: {fault}\n{stream}");
    }
}
