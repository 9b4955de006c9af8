//! boxd: a sandbox daemon. ARCHITECTURE.md is the map; each module's head says what it owns.
