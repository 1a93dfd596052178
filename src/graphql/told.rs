//! Bulk mutations of what is told rather than made: requests, what happens to them, time that was spent. Their rows are
//! taken in together, in a number of statements that does not depend on how many there are.

use async_graphql::Result;

use super::input::{InputError, refused};
use super::write::check_count;
use crate::error::{self, Error, Mistakes, WriteError};
use crate::store::write::Together;

/// The rows of a bulk input: those that could be read, and what is wrong with each.
pub(super) struct Rows<T> {
    read: Vec<(usize, T)>,
    wrong: Vec<Vec<error::InputError>>,
}

impl<T> Rows<T> {
    /// Looks at each row by itself; the mistakes it finds are at `input` there. A row that cannot be read at all is none,
    /// and its mistakes say why. What is refused at its place is the one mistake of its row (rule P3).
    pub(super) fn read<I>(
        inputs: Vec<I>,
        mut read: impl FnMut(I, &mut Mistakes) -> Result<Option<T>, Error>,
    ) -> Result<Self, Error> {
        check_count(inputs.len())?;
        let mut rows =
            Self { read: Vec::with_capacity(inputs.len()), wrong: Vec::with_capacity(inputs.len()) };
        for (number, input) in inputs.into_iter().enumerate() {
            let mut mistakes = Mistakes::default();
            let (row, mut wrong) = match read(input, &mut mistakes) {
                Ok(row) => (row, mistakes.into_vec()),
                Err(refusal) => (None, vec![refusal.of_row()?]),
            };
            wrong.iter_mut().for_each(|mistake| {
                mistake.path.splice(1..1, ["rows".to_owned(), number.to_string()]);
            });
            rows.read.extend(row.map(|row| (number, row)));
            rows.wrong.push(wrong);
        }
        Ok(rows)
    }

    /// Takes in mistakes at `input.rows.NUMBER`.
    pub(super) fn add(&mut self, mistakes: Mistakes) {
        for mistake in mistakes.into_vec() {
            let number = mistake.path.get(2).and_then(|number| number.parse::<usize>().ok());
            if let Some(wrong) = number.and_then(|number| self.wrong.get_mut(number)) {
                wrong.push(mistake);
            }
        }
    }

    /// The rows that could be read, right or wrong, with their numbers.
    pub(super) fn read_rows(&self) -> &[(usize, T)] {
        &self.read
    }

    /// The rows to be written, unless one that is wrong keeps all from it; and then what becomes of each row.
    pub(super) fn write(self, together: Together) -> (Vec<T>, Results) {
        let kept = together == Together::Atomic && self.wrong.iter().any(|wrong| !wrong.is_empty());
        let right = self.read.into_iter().filter(|(number, _)| !kept && self.wrong[*number].is_empty());
        let (numbers, right) = right.unzip();
        (right, Results { numbers, wrong: self.wrong })
    }
}

/// What becomes of each row.
pub(super) struct Results {
    numbers: Vec<usize>,
    wrong: Vec<Vec<error::InputError>>,
}

impl Results {
    /// The object of each row and its mistakes, in the order of the rows.
    pub(super) fn told<T>(
        self,
        written: Result<Vec<Option<T>>, WriteError>,
    ) -> Result<Vec<(Option<T>, Vec<InputError>)>> {
        let mut results: Vec<(Option<T>, Vec<InputError>)> =
            self.wrong.into_iter().map(|wrong| (None, wrong.into_iter().map(Into::into).collect())).collect();
        match written {
            Ok(written) => {
                for (number, object) in self.numbers.into_iter().zip(written) {
                    results[number].0 = object;
                }
            }
            Err(error) => {
                let mistakes = refused(error)?;
                for number in self.numbers {
                    results[number].1.clone_from(&mistakes);
                }
            }
        }
        Ok(results)
    }
}

/// Why nothing could even be looked at.
pub(super) fn failed(error: WriteError) -> Error {
    match error {
        WriteError::Refused(error) => error,
        other => Error::internal(other),
    }
}
