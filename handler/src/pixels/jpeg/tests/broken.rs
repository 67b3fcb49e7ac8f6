//! Files that are cut, changed, or made to keep a decoder busy.

use super::*;
