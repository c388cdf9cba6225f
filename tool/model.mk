# make model: Spin searches the models of the protocols, and finds the bug in each of their mutants.
# T=name: one of them.  They are tests too.
MODELS := $(basename $(notdir $(wildcard model/*.pml)))

.PHONY: model
model:
	@sh tool/install.sh
	@for m in $(or $(T),$(MODELS)); do bash model/check.sh $$m || exit 1; done
