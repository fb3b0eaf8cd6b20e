//! What closed windows were compared with: the features of each reference, with its figures.

use super::feature_details::ReferenceDetails;
use super::row_sums::FEATURE;
use crate::error::Fault;
use crate::feature::Kind;
use crate::monitor::figures::{ReferenceFeatureFigures, WindowFigures};
use rusqlite::{Row, Transaction, params};
use std::collections::HashMap;

/// A feature by name, kind and content; no content where none was kept.
type FeatureKey = (String, String, Vec<u8>);

/// The ids of a window's features, in their order; those that are new are written.
pub fn ids(
    transaction: &Transaction<'_>,
    model: i64,
    figures: &WindowFigures,
    reference: &[ReferenceFeatureFigures],
) -> rusqlite::Result<Vec<i64>> {
    let mut known: HashMap<FeatureKey, i64> = HashMap::new();
    let mut select = transaction
        .prepare_cached("SELECT name, kind, content, id FROM feature WHERE model = ?1")?;
    let mut rows = select.query(params![model])?;
    while let Some(row) = rows.next()? {
        known.insert((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?);
    }
    let mut insert = transaction.prepare_cached(&FEATURE.insert())?;
    let ids = figures.features.iter().enumerate().map(|(index, feature)| {
        let own = reference.get(index).filter(|own| own.name == feature.name);
        let content = own.map(|own| own.content.to_le_bytes().to_vec()).unwrap_or_default();
        let key = (feature.name.clone(), feature.kind.name().to_owned(), content);
        if let Some(id) = known.get(&key) {
            return Ok(*id);
        }
        let details = own.map(ReferenceDetails::encode);
        insert.execute(params![model, key.0, key.1, key.2, details])?;
        Ok(transaction.last_insert_rowid())
    });
    ids.collect()
}

/// Drops those that no window is left of.
pub fn forget(transaction: &Transaction<'_>, model: i64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM feature WHERE model = ?1 AND NOT EXISTS (
                   SELECT 1 FROM closed_window w CROSS JOIN feature_window v
                   WHERE w.model = ?1 AND v.window = w.id AND v.feature = feature.id)";
    transaction.prepare_cached(sql)?.execute(params![model]).map(|_| ())
}

/// Columns that [`read`] reads, of a table named `f`.
pub fn selected() -> String {
    format!("f.name, f.kind, f.content, f.reference, {}", FEATURE.is_whole_in("f"))
}

/// How many columns those are.
pub const N_SELECTED: usize = 5;

/// Name and kind of the feature of a row whose columns begin at `at`.
pub fn read_name(row: &Row<'_>, at: usize) -> rusqlite::Result<Result<(String, Kind), Fault>> {
    FEATURE.expect_whole(row, at + N_SELECTED - 1)?;
    let (name, kind): (String, String) = (row.get(at)?, row.get(at + 1)?);
    let known = Kind::ALL.into_iter().find(|own| own.name() == kind);
    Ok(known.map(|own| (name, own)).ok_or_else(|| Fault::unreadable(format!("kind {kind:?}"))))
}

/// The feature of a row whose columns begin at `at`.
pub fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Result<ComparedFeature, Fault>> {
    let (name, kind) = match read_name(row, at)? {
        Ok(known) => known,
        Err(fault) => return Ok(Err(fault)),
    };
    let (content, reference): (Vec<u8>, Option<Vec<u8>>) = (row.get(at + 2)?, row.get(at + 3)?);
    let Some((content, bytes)) = content.try_into().ok().zip(reference) else {
        return Ok(Ok(ComparedFeature { name, kind, reference: None }));
    };
    Ok(ReferenceDetails::decode(&bytes).map(|ReferenceDetails { statistics, bins }| {
        let content = u128::from_le_bytes(content);
        let own = ReferenceFeatureFigures {
            name: name.clone(),
            content,
            kind,
            statistics,
            bins,
            histogram: None,
        };
        ComparedFeature { name, kind, reference: Some(own) }
    }))
}

/// A feature of some reference.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedFeature {
    pub name: String,
    pub kind: Kind,
    pub reference: Option<ReferenceFeatureFigures>,
}
