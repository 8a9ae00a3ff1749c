//! How a `tokenizer.json` says that a text is cut into words before anything is merged.

use fancy_regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::Value;

use crate::tokenize::VocabularyFault;

/// What GPT-2 cut words with; a byte-level vocabulary that names nothing else means this.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// So many steps back a pattern may take on one text.
const MOST_STEPS: usize = 1_000_000;

/// The cuts, one after the other, and what the words are written in.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    cuts: Vec<Cut>,
    /// Whether words are written in bytes, each as a character of its own.
    pub(super) bytes: bool,
    /// Whether a space goes before a text that has none.
    pub(super) leading_space: bool,
}

#[derive(Debug)]
struct Cut {
    pattern: Regex,
    /// Whether what the pattern finds is left out.
    drops: bool,
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    pretokenizers: Vec<Part>,
    #[serde(default)]
    pattern: Value,
    #[serde(default)]
    behavior: String,
    #[serde(default)]
    invert: bool,
    #[serde(default)]
    individual_digits: bool,
    #[serde(default)]
    add_prefix_space: bool,
    #[serde(default = "yes")]
    use_regex: bool,
}

fn yes() -> bool {
    true
}

impl Splitter {
    /// Reads the member `pre_tokenizer`.
    pub(super) fn read(json: &Value) -> Result<Self, VocabularyFault> {
        let mut splitter = Self::default();
        if !json.is_null() {
            let part = Part::deserialize(json).map_err(|fault| VocabularyFault::Syntax(fault.to_string()))?;
            splitter.add(&part)?;
        }
        Ok(splitter)
    }

    fn add(&mut self, part: &Part) -> Result<(), VocabularyFault> {
        match part.kind.as_str() {
            "Sequence" => part.pretokenizers.iter().try_for_each(|part| self.add(part)),
            "ByteLevel" => {
                self.bytes = true;
                self.leading_space = part.add_prefix_space;
                if part.use_regex { self.cut(GPT2, false) } else { Ok(()) }
            }
            "Digits" => self.cut(if part.individual_digits { r"\p{Nd}" } else { r"\p{Nd}+" }, false),
            "Split" => {
                let literal = part.pattern["String"].as_str().map(|text| fancy_regex::escape(text).into_owned());
                let pattern = part.pattern["Regex"].as_str().map(ToOwned::to_owned).or(literal).unwrap_or_default();
                match (part.behavior.as_str(), part.invert) {
                    ("Isolated", _) => self.cut(&pattern, false),
                    ("Removed", false) => self.cut(&pattern, true),
                    ("Removed", true) => Err(unsupported("Removed, inverted", "Isolated or Removed")),
                    (other, _) => Err(unsupported(other, "Isolated or Removed")),
                }
            }
            other => Err(unsupported(other, "one of Sequence, ByteLevel, Digits, Split")),
        }
    }

    fn cut(&mut self, pattern: &str, drops: bool) -> Result<(), VocabularyFault> {
        let pattern = RegexBuilder::new(pattern).backtrack_limit(MOST_STEPS).build();
        let pattern = pattern.map_err(|fault| VocabularyFault::Syntax(fault.to_string()))?;
        self.cuts.push(Cut { pattern, drops });
        Ok(())
    }

    /// The words of a text; `None` where a pattern gave up.
    pub(super) fn words<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let mut words = vec![text];
        for cut in &self.cuts {
            let mut next = Vec::with_capacity(words.len());
            for word in words {
                cut.apply(word, &mut next)?;
            }
            words = next;
        }
        Some(words)
    }
}

impl Cut {
    fn apply<'t>(&self, text: &'t str, words: &mut Vec<&'t str>) -> Option<()> {
        let mut at = 0;
        for found in self.pattern.find_iter(text) {
            let found = found.ok()?;
            words.extend(Some(&text[at..found.start()]).filter(|word| !word.is_empty()));
            words.extend(Some(found.as_str()).filter(|word| !self.drops && !word.is_empty()));
            at = found.end();
        }
        words.extend(Some(&text[at..]).filter(|word| !word.is_empty()));
        Some(())
    }
}

fn unsupported(was: &str, expected: &'static str) -> VocabularyFault {
    VocabularyFault::Unsupported { part: "pre_tokenizer", was: was.to_owned(), expected }
}
