//! What is known of a feature's variation when a window of it is judged.

use super::steps::Learned;
use crate::drift::design_effects::DesignEffects;
use crate::drift::threshold::Stage;

/// How much rows tell, and how that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Variation {
    pub stage: Stage,
    pub effects: DesignEffects,
    /// Steps between closed windows that it was learned from; none when it was not.
    pub steps: Option<usize>,
}

/// In first windows, so many rows tell as much as one of a share that was rare and became rarer:
/// days without it come by chance.
const LOSS_OF_FIRST: f64 = 20.0;

impl Variation {
    /// Windows differ no more than their rows, or clusters of rows, do.
    pub fn of_rows(effects: DesignEffects) -> Variation {
        Variation { stage: Stage::Learned, effects, steps: None }
    }

    /// There are not enough closed windows to tell how much they differ.
    pub fn first(effects: DesignEffects) -> Variation {
        let effects = DesignEffects { loss: LOSS_OF_FIRST, ..effects };
        Variation { stage: Stage::First, effects, steps: None }
    }

    pub fn learned(learned: Learned) -> Variation {
        let Learned { effects, steps } = learned;
        Variation { stage: Stage::Learned, effects, steps: Some(steps) }
    }

    /// The rows come in clusters of which so many tell as much as one, besides.
    #[must_use]
    pub fn times(self, factor: f64) -> Variation {
        Variation { effects: self.effects.times(factor), ..self }
    }
}
