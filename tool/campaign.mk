# make campaign: servers are killed under load, thousands of times.  N=10000 SEED=1 CAUSE=mixed
# VARIANT=disk, and what else tool/campaign.sh takes.

CAMPAIGN_PROGS := $(patsubst %,$B/prog/%,stamp reaper readers names)

.PHONY: campaign
campaign: kernel lux $(CAMPAIGN_PROGS)
	@B=$B N="$(or $(N),10000)" SEED="$(or $(SEED),1)" CAUSE="$(or $(CAUSE),mixed)" \
		VARIANT="$(or $(VARIANT),disk)" bash tool/campaign.sh
