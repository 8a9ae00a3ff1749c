//! Finds where a JSON string or a bracketed value ends, 64 bytes at a time.
//!
//! Each block of the text becomes bit masks, one bit for each byte. Nothing is validated: brackets are only counted,
//! and what lies inside them is for the provider to judge.

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
    let (start, _, outside) = Outside::new(body, at, WITHIN).next()?;
    Some(start + offset(outside) + 1)
}

/// The place behind the bracket that closes the one at `at`; `None` where none does.
///
/// The two kinds of brackets count as one. A backslash outside strings is refused: no JSON has one, and readers could
/// differ in what they take it to escape.
#[must_use]
pub(super) fn skip_nested(body: &[u8], at: usize) -> Option<usize> {
    let mut depth = 1_usize;
    for (start, block, outside) in Outside::new(body, at + 1, 0) {
        let opens = block.equal_folded(b'{') & outside;
        let closes = block.equal_folded(b'}') & outside;
        let stray = block.equal(b'\\') & outside;
        if stray != 0 {
            let before = first(stray) - 1;
            return closing(opens & before, closes & before, depth).map(|end| start + end + 1);
        }
        let falls = closes.count_ones() as usize;
        if falls >= depth
            && let Some(end) = closing(opens, closes, depth)
        {
            return Some(start + end + 1);
        }
        depth = depth + opens.count_ones() as usize - falls;
    }
    None
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

/// Which bytes are escaped, from one block to the next.
#[derive(Default)]
struct Escapes {
    /// One where the next block's first byte is escaped.
    carry: u64,
}

impl Escapes {
    /// The bytes that a backslash escapes. Backslashes that stand in one run escape each other in pairs, so that only the
    /// byte behind a run of odd length is named.
    #[inline]
    fn escaped(&mut self, slashes: u64) -> u64 {
        let slashes = slashes & !self.carry;
        if slashes & (slashes << 1) != 0 {
            return self.behind_odd_runs(slashes);
        }
        let escaped = (slashes << 1) | self.carry;
        self.carry = slashes >> 63;
        escaped
    }

    /// The sum of a run and its first bit is a bit just behind the run: a run is odd where that place and its first are not
    /// both even or both odd.
    #[cold]
    fn behind_odd_runs(&mut self, slashes: u64) -> u64 {
        let starts = slashes & !(slashes << 1);
        let from_even = slashes.wrapping_add(starts & EVEN) & !slashes & !EVEN;
        let (sum, reaches_next) = slashes.overflowing_add(starts & !EVEN);
        let from_odd = sum & !slashes & EVEN;
        let escaped = from_even | from_odd | self.carry;
        self.carry = u64::from(reaches_next);
        escaped
    }
}

/// The blocks that are not wholly within one string, each with its place and its bytes outside strings. Closing quotes
/// count as outside, opening ones do not.
struct Outside<'a> {
    body: &'a [u8],
    at: usize,
    escapes: Escapes,
    /// [`WITHIN`] where the next block begins within a string, else zero.
    carry: u64,
    /// How many blocks within the string had no quote.
    quiet: u32,
}

impl<'a> Outside<'a> {
    fn new(body: &'a [u8], at: usize, carry: u64) -> Self {
        Self { body, at, escapes: Escapes::default(), carry, quiet: 0 }
    }

    /// Goes to the next quote, which is far where there was none for long. `None` where there is none at all.
    #[cold]
    fn leap(&mut self) -> Option<()> {
        self.quiet = 0;
        let rest = &self.body[self.at.min(self.body.len())..];
        let step = memchr::memchr(b'"', rest)?;
        let slashes = rest[..step].iter().rev().take_while(|byte| **byte == b'\\').count();
        // Where only backslashes stand before it, the first of them may be escaped by the block before.
        let carried = if slashes == step { self.escapes.carry } else { 0 };
        self.escapes.carry = (slashes as u64 & 1) ^ carried;
        self.at += step;
        Some(())
    }
}

impl Iterator for Outside<'_> {
    type Item = (usize, Block, u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.at;
            let block = Block::read(self.body, start)?;
            self.at += Block::LENGTH;
            let quotes = block.equal(b'"') & !self.escapes.escaped(block.equal(b'\\'));
            if quotes != 0 {
                let inside = parity(quotes) ^ self.carry;
                self.carry = if inside >> 63 == 1 { WITHIN } else { 0 };
                self.quiet = 0;
                return Some((start, block, !inside));
            }
            if self.carry == 0 {
                return Some((start, block, WITHIN));
            }
            self.quiet += 1;
            if self.quiet == QUIET {
                self.leap()?;
            }
        }
    }
}

/// Sets each bit where the number of bits up to it is odd.
fn parity(mut mask: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        mask ^= mask << shift;
    }
    mask
}

/// 64 bytes of the text.
struct Block([u8x16; 4]);

impl Block {
    const LENGTH: usize = 64;

    /// The bytes from `at` on, filled up with zeros behind the text's end; `None` where nothing is left.
    #[inline]
    fn read(body: &[u8], at: usize) -> Option<Self> {
        let rest = body.get(at..)?;
        match rest.first_chunk() {
            Some(whole) => Some(Self::from_bytes(whole)),
            None if rest.is_empty() => None,
            None => Some(Self::last(rest)),
        }
    }

    #[inline(never)]
    fn last(rest: &[u8]) -> Self {
        let mut filled = [0; Self::LENGTH];
        filled[..rest.len()].copy_from_slice(rest);
        Self::from_bytes(&filled)
    }

    #[inline]
    fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Self {
        let (lanes, _) = bytes.as_chunks::<16>();
        Self(std::array::from_fn(|lane| u8x16::new(lanes[lane])))
    }

    /// The bytes that are `byte`.
    #[inline]
    fn equal(&self, byte: u8) -> u64 {
        let wanted = u8x16::splat(byte);
        self.mask(|lane| lane.simd_eq(wanted))
    }

    /// The bytes that are `byte` once bit five is set, which takes `[` for `{` and `]` for `}`.
    #[inline]
    fn equal_folded(&self, byte: u8) -> u64 {
        let (wanted, fold) = (u8x16::splat(byte), u8x16::splat(0x20));
        self.mask(|lane| (lane | fold).simd_eq(wanted))
    }

    #[inline]
    fn mask(&self, test: impl Fn(u8x16) -> u8x16) -> u64 {
        let [a, b, c, d] = self.0.map(|lane| u64::from(test(lane).to_bitmask()));
        a | b << 16 | c << 32 | d << 48
    }
}

#[cfg(test)]
mod tests;
