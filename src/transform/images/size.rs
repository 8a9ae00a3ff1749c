//! OpenAI's sizes in pixels, Google's in aspect ratios and classes.

use super::{Refused, wrong};

/// Aspect ratios of Gemini's pictures.
pub(super) const GEMINI: [&str; 10] = ["1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"];
/// Aspect ratios of Imagen's.
pub(super) const IMAGEN: [&str; 5] = ["1:1", "3:4", "4:3", "9:16", "16:9"];

/// A size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    width: u32,
    height: u32,
}

impl Size {
    /// Reads OpenAI's size; `None` for `auto`.
    pub(super) fn read(size: Option<&str>) -> Result<Option<Self>, Refused> {
        let Some(size) = size.filter(|size| *size != "auto") else { return Ok(None) };
        let read = || {
            let (width, height) = size.split_once(['x', 'X', '×'])?;
            let edge = |edge: &str| edge.trim().parse::<u32>().ok().filter(|edge| (1..=65_536).contains(edge));
            Some(Self { width: edge(width)?, height: edge(height)? })
        };
        read().map(Some).ok_or_else(|| wrong("size", format!("{size:?}"), "\"auto\", or WIDTHxHEIGHT such as \"1536x1024\""))
    }

    /// The ratio that comes nearest.
    pub(super) fn ratio(self, ratios: &[&'static str]) -> &'static str {
        let wanted = (f64::from(self.width) / f64::from(self.height)).ln();
        let distance = |ratio: &str| {
            let (width, height) = ratio.split_once(':').unwrap_or(("1", "1"));
            let edge = |edge: &str| edge.parse::<f64>().unwrap_or(1.0);
            ((edge(width) / edge(height)).ln() - wanted).abs()
        };
        ratios.iter().copied().min_by(|one, other| distance(one).total_cmp(&distance(other))).unwrap_or("1:1")
    }

    /// Google's class; `None` for the usual one, `1K`, whose long edge has up to 1792 pixels or so.
    pub(super) fn class(self) -> Option<&'static str> {
        match self.width.max(self.height) {
            0..=1792 => None,
            1793..=3072 => Some("2K"),
            _ => Some("4K"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{GEMINI, IMAGEN, Size};

    #[test]
    fn sizes_become_the_nearest_ratio_and_class() {
        for (size, gemini, imagen, class) in [
            ("1024x1024", "1:1", "1:1", None),
            ("1536x1024", "3:2", "4:3", None),
            ("1024x1536", "2:3", "3:4", None),
            ("1792x1024", "16:9", "16:9", None),
            ("2048x2048", "1:1", "1:1", Some("2K")),
            ("3840x2160", "16:9", "16:9", Some("4K")),
            ("512x1536", "9:16", "9:16", None),
        ] {
            let read = Size::read(Some(size)).unwrap().unwrap();
            assert_eq!((read.ratio(&GEMINI), read.ratio(&IMAGEN), read.class()), (gemini, imagen, class), "{size}");
        }
        assert_eq!(Size::read(Some("auto")).unwrap(), None);
        for bad in ["big", "0x10", "1024", "1024x", "-1x2"] {
            assert!(Size::read(Some(bad)).is_err(), "{bad}");
        }
    }
}
