# The tests of lib/drive have a fake drive, and take lib/blk's place: they are told of the ends of
# their commands.
DRIVE_TESTS := $(patsubst %.c,$B/test/%,$(wildcard lib/drive/*_test.c))
$(DRIVE_TESTS): $B/test/lib/drive/fake/fake.c.o
$(DRIVE_TESTS): TEST_LD := -Wl,--wrap=blk_done
