//! Pages as the decoder wants them: those of one chunk, and one that stands alone.

use ::parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use ::parquet::errors::Result;

/// The pages of the one chunk that a leaf has.
pub struct OneChunk(pub Option<Box<dyn PageReader>>);

impl Iterator for OneChunk {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(Ok(self.0.take()?))
    }
}

impl PageIterator for OneChunk {}

/// A page that stands alone.
pub struct OnePage(pub Option<Page>);

impl PageReader for OnePage {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        Ok(self.0.take())
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        let rows = self.0.as_ref().map(|page| Some(page.num_values() as usize));
        let known = |rows| PageMetadata { num_rows: rows, num_levels: rows, is_dict: false };
        Ok(rows.map(known))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.0 = None;
        Ok(())
    }
}

impl Iterator for OnePage {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}
