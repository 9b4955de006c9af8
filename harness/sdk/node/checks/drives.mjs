// Drives: there are none here, so they are only listed.

import assert from "node:assert/strict";

export const drives = (box) => ({
  async "no drive is mounted"() {
    const listed = await box.drives.list();
    assert.deepEqual(listed.mounts ?? listed, []);
  },
});
