//! Pure functions a lesson needs: sampling, and what it cuts away.

pub mod sampling;
