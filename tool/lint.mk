# make lint, make fmt: the form of the code and of what is written about it, and what compilers and
# checkers see in it.  T=path checks only C files whose name begins with it.

C_FILES	:= $(filter $(T)%,$(sort $(shell git ls-files '*.c' 2>/dev/null)))
H_FILES	:= $(filter $(T)%,$(sort $(shell git ls-files '*.h' 2>/dev/null)))
# Compiled as the kernel or the personality is, or as a program of this system.
KERNEL_C := $(filter kernel/%,$(filter-out %_test.c kernel/debug/%,$(C_FILES)))
KDEBUG_C := $(filter kernel/debug/%,$(C_FILES))
PERS_C	:= $(filter lib/linux/%,$(filter-out %_test.c,$(C_FILES)))
KTEST_C	:= $(filter kernel/%_test.c,$(C_FILES))
USER_C	:= $(filter-out $(KERNEL_C) $(KDEBUG_C) $(KTEST_C) $(PERS_C),$(C_FILES))

LINT_FLAGS := -std=gnu2x $(WARN) -Wno-unknown-warning-option -Iinclude -I. -D_GNU_SOURCE
LINT_KERNEL := -std=gnu2x $(WARN) -Wno-unknown-warning-option -Iinclude -Ikernel -ffreestanding \
	       -mcmodel=kernel -mno-red-zone
LINT_PERS := -std=gnu2x $(WARN) -Wno-unknown-warning-option -Iinclude -ffreestanding

.PHONY: lint lint-form lint-clang lint-headers lint-cppcheck lint-tidy fmt
lint: lint-form lint-clang lint-headers lint-cppcheck lint-tidy

lint-form:
	@sh tool/form.sh $(C_FILES) $(H_FILES)
	@sh tool/kernel_lines.sh > /dev/null
	@sh tool/pages.sh

lint-clang:
	@echo "clang"
	$V$(if $(USER_C),$(CLANG) $(LINT_FLAGS) -fsyntax-only $(USER_C))
	$V$(if $(KTEST_C),$(CLANG) $(LINT_FLAGS) -Ikernel -fsyntax-only $(KTEST_C))
	$V$(if $(KERNEL_C),$(CLANG) $(LINT_KERNEL) -fsyntax-only $(KERNEL_C))
	$V$(if $(KDEBUG_C),$(CLANG) $(LINT_KERNEL) -DLOCK_DEBUG -fsyntax-only $(KDEBUG_C))
	$V$(if $(PERS_C),$(CLANG) $(LINT_PERS) -fsyntax-only $(PERS_C))

# A header compiles alone.
lint-headers:
	@echo "headers"
	$Vfor h in $(filter include/%,$(H_FILES)); do \
		echo "#include \"$$h\"" | $(CC) $(LINT_FLAGS:-Wno-unknown-warning-option=) \
			-fsyntax-only -x c - || exit 1; \
	done

CPPCHECK := cppcheck -q -j2 --std=c11 --error-exitcode=1 --inline-suppr --force --max-configs=1 \
	    --enable=warning,portability --suppress=missingInclude --suppress=syntaxError \
	    --suppress=uninitvar --suppress=nullPointerRedundantCheck \
	    --suppress=comparePointers -Iinclude -Ikernel \
	    -D_GNU_SOURCE -D__x86_64__ -D__GNUC__=12
lint-cppcheck:
	@echo "cppcheck"
	$V$(if $(C_FILES),$(CPPCHECK) $(C_FILES))

# The analyzer does not see what assembly writes (a system call's results) nor what holds a reference;
# test/prog faults, leaks and divides by zero because that is what it tests.
NO_ASM	:= -clang-analyzer-core.uninitialized.*,-clang-analyzer-core.UndefinedBinaryOperatorResult,$(strip \
	   )-clang-analyzer-core.CallAndMessage
NO_REFS	:= -clang-analyzer-unix.Malloc
TIDY_C	:= $(filter-out test/prog/%,$(USER_C))
# $(call tidy,FILES,OPTIONS,FLAGS): two at a time.
tidy = echo $(1) | xargs -r -n 8 -P 2 \
	sh -c 'clang-tidy --quiet $(2) "$$@" -- $(3) 2>/dev/null' sh
lint-tidy:
	@echo "clang-tidy"
	$V$(call tidy,$(TIDY_C),,$(LINT_FLAGS))
	$V$(call tidy,$(KTEST_C),--checks=$(NO_REFS),$(LINT_FLAGS) -Ikernel)
	$V$(call tidy,$(KERNEL_C),--checks=$(NO_REFS),$(LINT_KERNEL))
	$V$(call tidy,$(KDEBUG_C),,$(LINT_KERNEL) -DLOCK_DEBUG)
	$V$(call tidy,$(PERS_C),--checks=$(NO_ASM),$(LINT_PERS))

fmt:
	$Vclang-format -i $(C_FILES) $(H_FILES)
