# make model: Spin searches the models of the protocols, and finds the bug in each of their mutants.
# T=name: one of them.  Takes minutes.
MODELS := $(basename $(notdir $(wildcard model/*.pml)))

.PHONY: model
model:
	@command -v spin > /dev/null || sh tool/install.sh spin
	@for m in $(or $(T),$(MODELS)); do bash model/check.sh $$m || exit 1; done
