//! Server-sent events, read strictly: whole lines, known fields, UTF-8.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: Option<String>,
    pub(super) data: String,
}

/// Takes bytes, gives events.
#[derive(Debug, Default)]
pub(super) struct Events {
    rest: Vec<u8>,
    open: Option<Event>,
}

impl Events {
    /// The events that these bytes end.
    ///
    /// # Errors
    /// What is no line of an event stream.
    pub(super) fn push(&mut self, data: &[u8]) -> Result<Vec<Event>, String> {
        self.rest.extend_from_slice(data);
        let mut events = Vec::new();
        while let Some(at) = memchr::memchr(b'\n', &self.rest) {
            let line: Vec<u8> = self.rest.drain(..=at).collect();
            let line = std::str::from_utf8(&line).map_err(|_| "a line is no UTF-8".to_owned())?;
            events.extend(self.line(line.trim_end_matches(['\r', '\n']))?);
        }
        Ok(events)
    }

    /// Whether nothing is begun and not ended.
    pub(super) fn is_idle(&self) -> bool {
        self.rest.is_empty() && self.open.is_none()
    }

    fn line(&mut self, line: &str) -> Result<Option<Event>, String> {
        if line.is_empty() {
            return Ok(self.open.take());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            // A comment, with which connections are kept alive.
            "" => {}
            "event" => self.open.get_or_insert_default().name = Some(value.to_owned()),
            "data" => {
                let data = &mut self.open.get_or_insert_default().data;
                if !data.is_empty() {
                    data.push('\n');
                }
                data.push_str(value);
            }
            "id" | "retry" => {
                self.open.get_or_insert_default();
            }
            _ => return Err(format!("a line that is no event stream's: {line}")),
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Events};

    #[test]
    fn events_come_whole_whatever_the_cuts() {
        let wire = b": hello\n\nevent: a\ndata: 1\n\ndata: 2\r\ndata: 3\r\n\r\n";
        let expected = [Event { name: Some("a".into()), data: "1".into() }, Event { name: None, data: "2\n3".into() }];
        for cut in 0..wire.len() {
            let mut events = Events::default();
            let mut found = events.push(&wire[..cut]).unwrap();
            found.extend(events.push(&wire[cut..]).unwrap());
            assert_eq!(found, expected, "cut at {cut}");
            assert!(events.is_idle());
        }
        let mut events = Events::default();
        assert!(events.push(b"{\"error\": 1}\n").is_err());
        events.push(b"data: begun").unwrap();
        assert!(!events.is_idle());
    }
}
