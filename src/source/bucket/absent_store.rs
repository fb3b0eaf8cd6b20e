//! Stands for buckets where they were left out of the build.

use super::bucket_url::BucketUrl;
use crate::error::{Error, Fault, Result};
use crate::format::OpenFile;
use crate::format::file_format::FileFormat;
use crate::source::files::listing::{Listed, Listing};
use std::path::Path;

/// None of it can be made.
#[derive(Clone)]
pub enum AbsentStore {}

impl AbsentStore {
    pub fn open(url: &BucketUrl) -> Result<AbsentStore> {
        let wanted = "was built without object stores; build it with --features buckets";
        Err(Error::new(format!("{}: this driftd {wanted}", url.bucket)))
    }

    pub async fn list(&self, _format: FileFormat) -> Result<Listing> {
        match *self {}
    }

    pub async fn find(&self) -> Result<Vec<Listed>> {
        match *self {}
    }

    pub async fn fetch(
        &self,
        _root: &Path,
        _listed: &Listed,
        _folder: Option<&Path>,
    ) -> Result<OpenFile, Fault> {
        match *self {}
    }
}
