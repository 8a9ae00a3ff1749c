//! The configuration file as it changes while we run. A bad file changes nothing, and says why.

use std::{sync::Arc, time::Duration, time::SystemTime};

use super::{
    bootstrap,
    config::{Config, FileUse, Finding, parse},
};
use crate::{admin::Control, snapshot::Fault};

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(2);

/// What a look at the file gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is as it was.
    Unchanged,
    /// It changed, and serves.
    Applied,
    /// It changed, and what served before goes on serving.
    Refused,
    /// It is good, and the store did not take it; the next look tries again.
    Failed,
}

/// Looks at one file.
#[derive(Debug)]
pub struct Watch {
    control: Arc<Control>,
    config: Arc<Config>,
    seen: Option<Stamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stamp {
    There { changed: Option<SystemTime>, len: u64 },
    Gone,
}

impl Watch {
    /// Begins. The first look applies the file once more, since it may have changed between being read and now.
    #[must_use]
    pub fn new(control: Arc<Control>, config: Arc<Config>) -> Self {
        Self { control, config, seen: None }
    }

    /// Looks once.
    pub async fn look(&mut self) -> Look {
        let stamp = self.stamp();
        if self.seen.as_ref() == Some(&stamp) {
            return Look::Unchanged;
        }
        let text = match std::fs::read_to_string(&self.config.path) {
            Ok(text) => text,
            Err(error) => {
                self.seen = Some(stamp);
                return self.refuse(&[Finding::error("", None, format!("cannot be read: {error}"))]);
            }
        };
        let (file, findings) = parse(&text, self.control.platform());
        let Some(file) = file.filter(|_| !findings.iter().any(Finding::is_error)) else {
            self.seen = Some(stamp);
            return self.refuse(&findings);
        };
        for finding in &findings {
            tracing::warn!(path = %self.config.path.display(), finding = finding.told(), "configuration file");
        }
        match bootstrap::apply(&self.control, &file, &self.config).await {
            Ok(()) => {
                self.seen = Some(stamp);
                self.control.set_file_faults(Vec::new());
                tracing::info!(path = %self.config.path.display(), "the configuration file serves");
                Look::Applied
            }
            Err(error) => {
                self.refuse(&[Finding::error("", None, error.to_string())]);
                Look::Failed
            }
        }
    }

    fn stamp(&self) -> Stamp {
        std::fs::metadata(&self.config.path).map_or(Stamp::Gone, |data| Stamp::There { changed: data.modified().ok(), len: data.len() })
    }

    fn refuse(&self, findings: &[Finding]) -> Look {
        let name = self.config.path.display().to_string();
        for finding in findings {
            tracing::error!(path = %name, %finding, "the configuration file is not applied; the last good one goes on serving");
        }
        let line = |finding: &Finding| finding.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let fault = |finding: &Finding| Fault::new("file", &name, &finding.path, format!("{}{}", line(finding), finding.message));
        self.control.set_file_faults(findings.iter().filter(|finding| finding.is_error()).map(fault).collect());
        Look::Refused
    }
}

/// Watches the file where it is the source. The platform ends the task at shutdown.
pub fn watch(control: Arc<Control>, config: Arc<Config>) {
    if config.file_use == FileUse::Once {
        return;
    }
    let platform = control.platform().clone();
    let clock = Arc::clone(&platform.clock);
    platform.spawn.spawn(Box::pin(async move {
        let mut watch = Watch::new(control, config);
        loop {
            clock.sleep(EVERY).await;
            watch.look().await;
        }
    }));
}
