/*
 * The IDE driver's own structures; see main.c for the whole.
 */
#pragma once
#include "ata.h"
#include "drive_smart.h"
#include "regs.h"

enum {
	IDE_CHANNELS = 2,
	IDE_DRIVES = 2, /* of a channel */
	IDE_PRDS = 512, /* a page of them */
	IDE_SEGS = 64,
	IDE_SECTORS_MAX = 1024, /* of a command: 512 KiB */
	IDE_DMA_TRIES = 2,      /* failures of DMA before it is given up */

	IDE_IDLE_MS = 20,      /* BSY and DRQ before a command */
	IDE_DRQ_MS = 20,       /* DRQ after a command that begins with data for the device */
	IDE_RESET_US = 10,     /* SRST stands [ATA8-APT, 6.2.2] */
	IDE_RESET_WAIT_MS = 2, /* then the status counts */
	IDE_READY_MS = 15000,  /* BSY after a reset: the disk spins up */
	IDE_POLLED_MS = 5000,  /* IDENTIFY, SET MULTIPLE */
};

enum ide_protocol { IDE_NODATA, IDE_PIO_IN, IDE_PIO_OUT, IDE_DMA, IDE_PACKET };

struct ide_drive {
	bool present;
	struct ata_identity id; /* this, and what follows, change while the port is not READY */
	struct ata_transfers transfers;
	unsigned multiple;     /* sectors that PIO moves at an interrupt; 0: MULTIPLE is not used */
	_Atomic bool dma;      /* in use */
	unsigned dma_failures; /* the keeper's, and of `reap` */
	struct drive_disk *disk; /* as long as it is present */
};

struct ide_command { /* that runs, or is built */
	struct blk_io *io;
	struct ata_command ata;
	struct ata_packet packet;
	enum ide_protocol protocol;
	unsigned drive;
	bool dma, write; /* write: to the device */
	bool packet_sent;
	uint8_t *data;
	uint32_t bytes, moved;
};

struct ide_ctlr;

struct ide_channel {
	struct drive_port port; /* first */
	struct drive_queue queue;
	struct ide_ctlr *ctlr;
	unsigned index;
	bool usable;
	struct sip_ports command, control, master;
	bool has_master;
	int line; /* of /dev/irq; -1: that of the function */
	struct sip_irq irq;
	struct sip_dma prds;
	struct ide_drive drive[IDE_DRIVES];
	struct ide_command run; /* under queue.lock */
	_Atomic uint64_t dma_commands, pio_commands, packets;
};

struct ide_disk { /* drive_disk.priv */
	unsigned drive;
	struct drive_smart smart;
};

struct ide_ctlr {
	struct drive_ctlr ctlr; /* first */
	struct ide_channel channel[IDE_CHANNELS];
};

/* ctlr.c */
extern const struct sip_driver_ops ide_driver_ops;

/* channel.c: registers, resets, polled commands */
uint8_t ide_status(const struct ide_channel *c); /* which leaves the interrupt as it is */
/* (status & mask) == want, within that time. */
bool ide_wait(const struct ide_channel *c, uint8_t mask, uint8_t want, unsigned timeout_ms);
void ide_select(const struct ide_channel *c, unsigned drive, uint8_t bits);
void ide_write_taskfile(const struct ide_channel *c, const struct ata_command *a, bool lba48);
/* n bytes through the data port; an odd last one with one that is nothing. */
void ide_data_in(const struct ide_channel *c, uint8_t *to, uint32_t n);
void ide_data_out(const struct ide_channel *c, const uint8_t *from, uint32_t n);
void ide_master_stop(const struct ide_channel *c);
void ide_interrupts(const struct ide_channel *c, bool on);
/* Is anything at all on the channel?  False at once, where the bus floats. */
bool ide_channel_has_drives(struct ide_channel *c);
/* Software reset of both drives; present tells which to wait for: 0, -ETIMEDOUT. */
int ide_reset(struct ide_channel *c);
/* Asks a drive who it is: 0, -ENODEV, -EIO, -ETIMEDOUT, -ENOTSUP. */
int ide_identify(struct ide_channel *c, unsigned drive, struct ide_drive *out);

/* queue.c: the command that runs */
int ide_build(struct drive_queue *q, struct blk_io *io, unsigned tag);
void ide_ring(struct drive_queue *q);
void ide_reap(struct drive_queue *q);
void ide_interrupt(struct ide_channel *c);
/* One more failure of DMA: it is given up after some. */
void ide_dma_failed(struct ide_channel *c, unsigned drive);

/* recover.c: in the keeper's thread */
extern const struct drive_ops ide_ops;

/* text.c */
size_t ide_describe(struct drive_disk *d, char *buf, size_t n);
size_t ide_statistics(struct drive_disk *d, char *buf, size_t n);
int ide_command(struct drive_disk *d, const char *text);
void ide_disk_info(const struct ide_channel *c, unsigned drive, struct drive_disk *d);
