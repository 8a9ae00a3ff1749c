//! Finds where a JSON string or a bracketed value ends, 64 bytes at a time.
//!
//! Each block of the text becomes bit masks, one bit for each byte. Nothing is validated: brackets are only counted,
//! and what lies inside them is for the provider to judge.

use std::ops::ControlFlow;

use wide::u8x16;

/// Most keys and short values end within this many bytes, where a plain loop is quicker than a block.
const SHORT: usize = 24;

/// After so many blocks without a quote a string is taken to be long and plain.
const QUIET: u32 = 8;

/// All bits: the mask of a block wholly within a string.
const WITHIN: u64 = u64::MAX;

/// The bits at even places.
const EVEN: u64 = 0x5555_5555_5555_5555;

/// The place behind the string whose opening quote stands at `at`; `None` where it does not end.
#[must_use]
pub(super) fn skip_string(body: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    let short = body.len().min(at + SHORT);
    while at < short {
        match body[at] {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    outside(body, at, WITHIN, |block, outside| ControlFlow::Break(Some(block.at + offset(outside) + 1)))
}

/// The place behind the bracket that closes the one at `at`; `None` where none does.
///
/// The two kinds of brackets count as one. A backslash outside strings is refused: no JSON has one, and readers could
/// differ in what they take it to escape.
#[must_use]
pub(super) fn skip_nested(body: &[u8], at: usize) -> Option<usize> {
    let mut depth = 1_usize;
    outside(body, at + 1, 0, |block, outside| {
        let opens = block.equal_folded(b'{') & outside;
        let closes = block.equal_folded(b'}') & outside;
        let stray = block.equal(b'\\') & outside;
        if stray != 0 {
            let before = first(stray) - 1;
            return ControlFlow::Break(closing(opens & before, closes & before, depth).map(|end| block.at + end + 1));
        }
        let falls = closes.count_ones() as usize;
        if falls >= depth
            && let Some(end) = closing(opens, closes, depth)
        {
            return ControlFlow::Break(Some(block.at + end + 1));
        }
        depth = depth + opens.count_ones() as usize - falls;
        ControlFlow::Continue(())
    })
}

/// Where the depth comes down to zero within a block.
fn closing(opens: u64, closes: u64, mut depth: usize) -> Option<usize> {
    let mut brackets = opens | closes;
    while brackets != 0 {
        let next = first(brackets);
        if opens & next != 0 {
            depth += 1;
        } else {
            depth -= 1;
            if depth == 0 {
                return Some(offset(next));
            }
        }
        brackets ^= next;
    }
    None
}

/// The first bit that is set, alone.
fn first(mask: u64) -> u64 {
    mask & mask.wrapping_neg()
}

/// The place of the first bit that is set.
fn offset(mask: u64) -> usize {
    mask.trailing_zeros() as usize
}

/// The bytes that a backslash escapes, and one where the next block's first is. `carry` is that of the block before.
///
/// Backslashes that stand in one run escape each other in pairs, so that only the byte behind a run of odd length is named.
#[inline]
fn escaped(slashes: u64, carry: u64) -> (u64, u64) {
    let slashes = slashes & !carry;
    if slashes & (slashes << 1) != 0 { behind_odd_runs(slashes, carry) } else { ((slashes << 1) | carry, slashes >> 63) }
}

/// The sum of a run and its first bit is a bit just behind the run: a run is odd where that place and its first are not
/// both even or both odd.
#[cold]
fn behind_odd_runs(slashes: u64, carry: u64) -> (u64, u64) {
    let starts = slashes & !(slashes << 1);
    let from_even = slashes.wrapping_add(starts & EVEN) & !slashes & !EVEN;
    let (sum, reaches_next) = slashes.overflowing_add(starts & !EVEN);
    let from_odd = sum & !slashes & EVEN;
    (from_even | from_odd | carry, u64::from(reaches_next))
}

/// Shows the blocks that are not wholly within one string, each with its bytes outside strings, until `see` has found what it
/// looks for; `None` where it has not by the end. Closing quotes count as outside, opening ones do not.
///
/// `within` is [`WITHIN`] where the text begins within a string, else zero.
#[inline]
fn outside(
    body: &[u8],
    mut at: usize,
    mut within: u64,
    mut see: impl FnMut(Block<'_>, u64) -> ControlFlow<Option<usize>>,
) -> Option<usize> {
    let mut filled = [0; Block::LENGTH];
    let mut escape = 0;
    // How many blocks within the string had no quote.
    let mut quiet = 0;
    loop {
        let rest = body.get(at..).filter(|rest| !rest.is_empty())?;
        let block = Block { at, bytes: rest.first_chunk().unwrap_or_else(|| last(rest, &mut filled)) };
        at += Block::LENGTH;
        let escapes;
        (escapes, escape) = escaped(block.equal(b'\\'), escape);
        let quotes = block.equal(b'"') & !escapes;
        if quotes == 0 && within == WITHIN {
            quiet += 1;
            if quiet == QUIET {
                quiet = 0;
                let step;
                (step, escape) = leap(body.get(at..)?, escape)?;
                at += step;
            }
            continue;
        }
        let inside = parity(quotes) ^ within;
        within = if inside >> 63 == 1 { WITHIN } else { 0 };
        quiet = 0;
        if let ControlFlow::Break(found) = see(block, !inside) {
            return found;
        }
    }
}

/// How far the next quote is, where there was none for long, and one where it is escaped. `None` where there is none at all.
#[cold]
fn leap(rest: &[u8], escape: u64) -> Option<(usize, u64)> {
    let step = memchr::memchr(b'"', rest)?;
    let slashes = rest[..step].iter().rev().take_while(|byte| **byte == b'\\').count();
    // Where only backslashes stand before it, the first of them may be escaped by the block before.
    let carried = if slashes == step { escape } else { 0 };
    Some((step, (slashes as u64 & 1) ^ carried))
}

/// What is left of the text, less than a block, with zeros behind it.
#[cold]
fn last<'a>(rest: &[u8], filled: &'a mut [u8; Block::LENGTH]) -> &'a [u8; Block::LENGTH] {
    filled[..rest.len()].copy_from_slice(rest);
    filled
}

/// Sets each bit where the number of bits up to it is odd.
fn parity(mut mask: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        mask ^= mask << shift;
    }
    mask
}

/// 64 bytes of the text. They stay where they are: a copy in vectors takes longer than reading them once more.
#[derive(Clone, Copy)]
struct Block<'a> {
    /// Where it stands.
    at: usize,
    bytes: &'a [u8; Block::LENGTH],
}

impl Block<'_> {
    const LENGTH: usize = 64;

    /// The bytes that are `byte`.
    #[inline]
    fn equal(self, byte: u8) -> u64 {
        let wanted = u8x16::splat(byte);
        self.mask(|lane| lane.simd_eq(wanted))
    }

    /// The bytes that are `byte` once bit five is set, which takes `[` for `{` and `]` for `}`.
    #[inline]
    fn equal_folded(self, byte: u8) -> u64 {
        let (wanted, fold) = (u8x16::splat(byte), u8x16::splat(0x20));
        self.mask(|lane| (lane | fold).simd_eq(wanted))
    }

    #[inline]
    fn mask(self, test: impl Fn(u8x16) -> u8x16) -> u64 {
        let (lanes, _) = self.bytes.as_chunks::<16>();
        let bits = |lane: usize| u64::from(test(u8x16::new(lanes[lane])).to_bitmask());
        (bits(0) | bits(1) << 16) | (bits(2) | bits(3) << 16) << 32
    }
}

#[cfg(test)]
mod tests;
