//! Guesses.

use super::{Count, Counter, Media};

fn exactly(tokens: u64) -> Count {
    Count { tokens, exact: true }
}

#[test]
fn a_guess_goes_by_the_writing() {
    let guess = |pieces: &[&str]| Counter::of("claude-opus-4", None).count(pieces.iter().copied());
    for (pieces, tokens) in [
        (&["abcdefgh"][..], 2),
        (&["a"], 1),
        (&["a", "b", "c", "d"], 1),
        (&["café"], 1),
        (&["你好世界"], 4),
        (&["こんにちは"], 5),
        (&["안녕"], 2),
        (&["привет"], 3),
        (&["🙂"], 2),
        (&["hi 你好"], 3),
    ] {
        assert_eq!(guess(pieces), Count { tokens, exact: false }, "{pieces:?}");
    }
    assert_eq!(guess(&[]), exactly(0));
    assert_eq!(Media::Image.count(2) + exactly(5), Count { tokens: 2005, exact: false });
    assert_eq!([exactly(1), exactly(2)].into_iter().sum::<Count>(), exactly(3));
}
