//! A process that may open no more files.
