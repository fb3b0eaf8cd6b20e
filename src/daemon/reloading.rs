//! Where a change of what is watched stands: asked for, being compared with what is in force, being
//! carried out. A change is a reload of the configuration, or a window that becomes a reference.

use super::bound::ModelLabel;
use super::reference_request::ReferenceRequest;
use super::reload::Change;
use crate::error::{Error, Result};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A reference takes its time to load; one that takes longer than this may not answer at all.
const COMPARE_MAX: Duration = Duration::from_secs(600);

/// Where the answer to whoever asked goes.
pub type ChangeAnswer = oneshot::Sender<std::result::Result<(), String>>;

/// A change that is asked for.
pub enum ChangeRequest {
    /// To what the configuration says now.
    Reload(ChangeAnswer),
    /// Another reference, until further notice.
    Reference(ReferenceRequest, ChangeAnswer),
}

/// The change that is under way, and what is asked for meanwhile.
#[derive(Default)]
pub struct Reloading {
    /// Where the answers to what was asked for go; a signal needs none.
    waiting: Vec<ChangeAnswer>,
    is_asked: bool,
    references: VecDeque<(ReferenceRequest, ChangeAnswer)>,
    step: Option<Step>,
    /// Whether the step gives a model another reference, and is no reload.
    is_of_reference: bool,
    answers: Vec<ChangeAnswer>,
}

enum Step {
    /// What it will change is being found out.
    Comparing {
        comparing: JoinHandle<Result<Change>>,
        until: Instant,
        is_overdue: bool,
    },
    Exchanging(Exchange),
}

/// Models that are being exchanged.
struct Exchange {
    left: BTreeSet<ModelLabel>,
    faults: Vec<Error>,
    until: Instant,
    /// Whoever asked was told that it takes longer.
    is_overdue: bool,
}

impl Reloading {
    /// Takes a request; a signal asks for a reload without waiting for an answer. All requests to
    /// reload that came before one begins are done by it.
    pub fn ask(&mut self, request: Option<ChangeRequest>) {
        match request {
            None => self.is_asked = true,
            Some(ChangeRequest::Reload(answer)) => {
                self.is_asked = true;
                self.waiting.push(answer);
            }
            Some(ChangeRequest::Reference(request, answer)) => {
                self.references.push_back((request, answer));
            }
        }
    }

    /// Whether what is under way is a reload of the configuration.
    pub fn is_reload(&self) -> bool {
        !self.is_of_reference
    }

    /// Whether the next change is to begin; it is then under way with `compare`.
    pub fn begin(
        &mut self,
        compare: impl FnOnce(Option<ReferenceRequest>) -> JoinHandle<Result<Change>>,
    ) {
        let is_busy = match &self.step {
            None => false,
            // What hangs must not keep the configuration as it is for ever.
            Some(Step::Comparing { is_overdue, .. }) => !*is_overdue,
            Some(Step::Exchanging(exchange)) => !exchange.is_overdue,
        };
        if is_busy {
            return;
        }
        let request = match self.references.pop_front() {
            Some((request, answer)) => {
                self.answers = vec![answer];
                Some(request)
            }
            None if self.is_asked => {
                self.is_asked = false;
                self.answers = std::mem::take(&mut self.waiting);
                None
            }
            None => return,
        };
        self.is_of_reference = request.is_some();
        let (comparing, until) = (compare(request), Instant::now() + COMPARE_MAX);
        self.step = Some(Step::Comparing { comparing, until, is_overdue: false });
    }

    /// What the reload that is under way will change, once that is known; never without one.
    pub async fn compared(&mut self) -> Result<Change> {
        let Some(Step::Comparing { comparing, .. }) = &mut self.step else {
            return std::future::pending().await;
        };
        let compared = comparing.await;
        self.step = None;
        compared.map_err(|error| Error::new(format!("the reload failed: {error}")))?
    }

    /// These models are being exchanged, which should take no longer than until then.
    pub fn exchange(&mut self, left: BTreeSet<ModelLabel>, until: Instant) {
        let exchange = Exchange { left, faults: Vec::new(), until, is_overdue: false };
        self.step = Some(Step::Exchanging(exchange));
    }

    /// What was to be done with this model is done, or has failed.
    pub fn note_done(&mut self, label: &ModelLabel, fault: Option<&Error>) {
        if let Some(Step::Exchanging(exchange)) = &mut self.step
            && exchange.left.remove(label)
        {
            exchange.faults.extend(fault.cloned());
        }
    }

    /// Until when the step may take, as long as nobody was told that it takes longer.
    pub fn until(&self) -> Option<Instant> {
        match &self.step {
            Some(Step::Comparing { until, is_overdue: false, .. }) => Some(*until),
            Some(Step::Exchanging(exchange)) if !exchange.is_overdue => Some(exchange.until),
            _ => None,
        }
    }

    /// What the exchange came to, once it has ended; before that, once, that a step takes too long.
    pub fn outcome(&mut self) -> Option<Result<()>> {
        let done = self.done();
        let exchange = match &mut self.step {
            None => return None,
            Some(Step::Comparing { until, is_overdue, .. }) => {
                if *is_overdue || Instant::now() < *until {
                    return None;
                }
                *is_overdue = true;
                let text = format!("not {done} yet: a reference or a directory does not answer");
                return Some(Err(Error::new(text)));
            }
            Some(Step::Exchanging(exchange)) => exchange,
        };
        if exchange.left.is_empty() {
            let fault = exchange.faults.first().cloned();
            self.step = None;
            let text = format!("{done}, but a model failed and will be started again");
            return Some(fault.map_or(Ok(()), |fault| Err(fault.context(&text))));
        }
        if exchange.is_overdue || Instant::now() < exchange.until {
            return None;
        }
        exchange.is_overdue = true;
        let names: Vec<_> = exchange.left.iter().map(|(name, _)| format!("{name:?}")).collect();
        let names = names.join(", ");
        Some(Err(Error::new(format!("not {done} yet: what was before of {names} does not end"))))
    }

    /// What is being done, when it is done.
    fn done(&self) -> &'static str {
        if self.is_of_reference { "the reference" } else { "reloaded" }
    }

    /// Tells whoever asked.
    pub fn answer(&mut self, outcome: &Result<()>) {
        for answer in self.answers.drain(..) {
            // Whoever asked may have gone.
            let _ = answer.send(outcome.clone().map_err(|error| error.to_string()));
        }
    }

    /// Nothing is reloaded any more; whoever waits is told so by the end of the channel.
    pub fn give_up(&mut self) {
        *self = Reloading::default();
    }
}
