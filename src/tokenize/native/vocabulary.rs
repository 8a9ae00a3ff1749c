//! A vocabulary as Hugging Face keeps it in `tokenizer.json`: of byte pairs, which is what models that chat have.

use std::collections::HashMap;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::{
    merge::{Merges, merged},
    split::Splitter,
};
use crate::tokenize::{Count, VocabularyFault};

/// A model's vocabulary.
pub struct Vocabulary {
    /// Words that are found before all else, such as `<think>`. Control tokens are none of them: a client has no such.
    added: Option<Regex>,
    splitter: Splitter,
    normalizer: Normalizer,
    /// The symbol of each single byte as it is written, where words are written in bytes.
    bytes: Vec<Option<u32>>,
    words: HashMap<String, u32>,
    merges: Merges,
    /// Whether a word that is in the vocabulary as a whole is one token, whatever the merges say.
    whole_words: bool,
    /// Whether a character that is not in the vocabulary is as many tokens as it has bytes.
    byte_fallback: bool,
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocabulary").field("words", &self.words.len()).field("merges", &self.merges.len()).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    content: String,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    vocab: Value,
    #[serde(default)]
    merges: Vec<Merge>,
    #[serde(default)]
    ignore_merges: bool,
    #[serde(default)]
    byte_fallback: bool,
}

/// A pair is a list of two, or in older files one text with a space.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Text(String),
}

/// What is done to a text beforehand.
#[derive(Debug, Default)]
struct Normalizer {
    prepend: String,
    replace: Vec<(String, String)>,
    /// Whether characters may be composed anew; we do not, so only plain text is counted exactly.
    composes: bool,
}

impl Vocabulary {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`VocabularyFault`] where it is none, or of a kind that is not built in.
    pub fn parse(file: &[u8]) -> Result<Self, VocabularyFault> {
        let file: File = serde_json::from_slice(file).map_err(|fault| VocabularyFault::Syntax(fault.to_string()))?;
        let kind = file.model.kind.as_deref().unwrap_or("BPE");
        if kind != "BPE" {
            return Err(VocabularyFault::Unsupported { part: "model.type", was: kind.to_owned(), expected: "BPE" });
        }
        let splitter = Splitter::read(&file.pre_tokenizer)?;
        let normalizer = Normalizer::read(&file.normalizer)?;
        let words: HashMap<String, u32> =
            serde_json::from_value(file.model.vocab).map_err(|fault| VocabularyFault::Syntax(format!("model.vocab: {fault}")))?;
        let merges = ranked(&file.model.merges, &words)?;
        let bytes = if splitter.bytes { byte_symbols(&words) } else { Vec::new() };
        let (whole_words, byte_fallback) = (file.model.ignore_merges, file.model.byte_fallback);
        let added = added(file.added_tokens)?;
        Ok(Self { added, splitter, normalizer, bytes, words, merges, whole_words, byte_fallback })
    }

    /// The tokens of a text; `None` where the pattern that cuts words gave up on it.
    pub(in crate::tokenize) fn count(&self, text: &str) -> Option<Count> {
        let Some(added) = &self.added else { return self.count_plain(text) };
        let mut count = Count::NONE;
        let mut at = 0;
        for found in added.find_iter(text) {
            count += self.count_plain(&text[at..found.start()])? + Count { tokens: 1, exact: true };
            at = found.end();
        }
        Some(count + self.count_plain(&text[at..])?)
    }

    fn count_plain(&self, text: &str) -> Option<Count> {
        if text.is_empty() {
            return Some(Count::NONE);
        }
        let exact = !self.normalizer.composes || text.is_ascii();
        let mut text = self.normalizer.apply(text);
        if self.splitter.leading_space && !text.starts_with(' ') {
            text.insert(0, ' ');
        }
        let words = self.splitter.words(&text)?;
        let tokens = words.into_iter().map(|word| self.tokens_of(word)).sum();
        Some(Count { tokens, exact })
    }

    fn tokens_of(&self, word: &str) -> u64 {
        if self.splitter.bytes {
            let known = self.whole_words && self.words.contains_key(&written(word));
            let symbols: Vec<u32> = word.bytes().filter_map(|byte| self.bytes.get(usize::from(byte)).copied().flatten()).collect();
            return if known { 1 } else { merged(&symbols, &self.merges) as u64 };
        }
        if self.whole_words && self.words.contains_key(word) {
            return 1;
        }
        let mut symbols = Vec::with_capacity(word.len());
        let mut unknown = 0;
        let mut buffer = [0; 4];
        for char in word.chars() {
            if let Some(symbol) = self.words.get(&*char.encode_utf8(&mut buffer)) {
                symbols.push(*symbol);
            } else {
                unknown += if self.byte_fallback { char.len_utf8() as u64 } else { 1 };
                // No merge reaches over it.
                symbols.push(u32::MAX);
            }
        }
        let gaps = symbols.iter().filter(|symbol| **symbol == u32::MAX).count() as u64;
        merged(&symbols, &self.merges) as u64 - gaps + unknown
    }
}

/// What finds the added words, the longest first.
fn added(tokens: Vec<Added>) -> Result<Option<Regex>, VocabularyFault> {
    let mut words: Vec<String> =
        tokens.into_iter().filter(|token| !token.special && !token.content.is_empty()).map(|token| token.content).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let pattern = words.iter().map(|word| regex::escape(word)).collect::<Vec<_>>().join("|");
    let built = (!pattern.is_empty()).then(|| Regex::new(&pattern)).transpose();
    built.map_err(|fault| VocabularyFault::Syntax(format!("added_tokens: {fault}")))
}

fn ranked(merges: &[Merge], words: &HashMap<String, u32>) -> Result<Merges, VocabularyFault> {
    let mut ranked = Merges::with_capacity(merges.len());
    for (rank, merge) in merges.iter().enumerate() {
        let pair = match merge {
            Merge::Pair(left, right) => Some((left.as_str(), right.as_str())),
            Merge::Text(text) => text.split_once(' '),
        };
        let symbols =
            pair.and_then(|(left, right)| Some(((*words.get(left)?, *words.get(right)?), *words.get(&format!("{left}{right}"))?)));
        let (Some((pair, joined)), Ok(rank)) = (symbols, u32::try_from(rank)) else {
            return Err(VocabularyFault::Syntax(format!("model.merges[{rank}] is not of words in model.vocab")));
        };
        ranked.entry(pair).or_insert((rank, joined));
    }
    Ok(ranked)
}

/// The character that a byte is written as: itself where it is printable, else one from beyond Latin-1.
fn char_of(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|byte| !printable(*byte)).count();
    u32::try_from(before).ok().and_then(|before| char::from_u32(0x100 + before)).unwrap_or_default()
}

fn written(word: &str) -> String {
    word.bytes().map(char_of).collect()
}

fn byte_symbols(words: &HashMap<String, u32>) -> Vec<Option<u32>> {
    (0..=u8::MAX).map(|byte| words.get(&char_of(byte).to_string()).copied()).collect()
}

impl Normalizer {
    fn read(json: &Value) -> Result<Self, VocabularyFault> {
        let mut normalizer = Self::default();
        if !json.is_null() {
            normalizer.add(json)?;
        }
        Ok(normalizer)
    }

    fn add(&mut self, part: &Value) -> Result<(), VocabularyFault> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match part["type"].as_str().unwrap_or_default() {
            "Sequence" => part["normalizers"].as_array().into_iter().flatten().try_for_each(|part| self.add(part))?,
            "NFC" => self.composes = true,
            "Prepend" => self.prepend = text(&part["prepend"]),
            "Replace" if part["pattern"]["String"].is_string() => {
                self.replace.push((text(&part["pattern"]["String"]), text(&part["content"])));
            }
            other => {
                let expected = "one of Sequence, NFC, Prepend, Replace with a String";
                return Err(VocabularyFault::Unsupported { part: "normalizer", was: other.to_owned(), expected });
            }
        }
        Ok(())
    }

    fn apply(&self, text: &str) -> String {
        let mut text = format!("{}{text}", self.prepend);
        for (from, to) in &self.replace {
            text = text.replace(from, to);
        }
        text
    }
}
