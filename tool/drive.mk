# The test of lib/drive takes lib/blk's place: it is told of the ends of its commands.
$B/test/lib/drive/drive_test: TEST_LD := -Wl,--wrap=blk_done
