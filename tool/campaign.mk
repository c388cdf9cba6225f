# make campaign: servers are killed under load, thousands of times, by all causes that the variant has.
# N=10000 SEED=1 VARIANT=disk CAUSE=mixed (outside: kill and note only), and what else tool/campaign.sh takes.

CAMPAIGN_PROGS := $(patsubst %,$B/prog/%,stamp reaper readers names)

.PHONY: campaign
campaign: kernel lux $(CAMPAIGN_PROGS) $(FAULT_PROGS:%=$B/lux9/fault/%)
	@B=$B N="$(or $(N),10000)" SEED="$(or $(SEED),1)" CAUSE="$(or $(CAUSE),mixed)" \
		VARIANT="$(or $(VARIANT),disk)" bash tool/campaign.sh

# make soak: N=1000000 verified requests on each driver's disk; DRIVER=nvme SEED=1.
.PHONY: soak
soak: kernel lux $(CAMPAIGN_PROGS)
	@B=$B N="$(or $(N),1000000)" SEED="$(or $(SEED),1)" DRIVER="$(DRIVER)" bash tool/soak.sh
