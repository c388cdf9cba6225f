/*
 * AHCI registers [AHCI 1.3.1, 3].
 */
#pragma once
#include "reg.h"

enum hba_reg {
	HBA_CAP = 0x00,
	HBA_GHC = 0x04,
	HBA_IS = 0x08,
	HBA_PI = 0x0c,
	HBA_VS = 0x10,
	HBA_CAP2 = 0x24,
	HBA_BOHC = 0x28,
	HBA_PORTS = 0x100,
	HBA_PORT_SIZE = 0x80,
	HBA_MAX_PORTS = 32,
};

enum port_reg { /* from the port's start */
		PORT_CLB = 0x00,
		PORT_CLBU = 0x04,
		PORT_FB = 0x08,
		PORT_FBU = 0x0c,
		PORT_IS = 0x10,
		PORT_IE = 0x14,
		PORT_CMD = 0x18,
		PORT_TFD = 0x20,
		PORT_SIG = 0x24,
		PORT_SSTS = 0x28,
		PORT_SCTL = 0x2c,
		PORT_SERR = 0x30,
		PORT_SACT = 0x34,
		PORT_CI = 0x38,
};

REG_FIELD(CAP_NP, 0, 5);    /* ports, less one */
REG_FIELD(CAP_NCS, 8, 5);   /* command slots, less one */
REG_FIELD(CAP_SCLO, 24, 1); /* command list override */
REG_FIELD(CAP_SSS, 27, 1);  /* staggered spin-up */
REG_FIELD(CAP_SNCQ, 30, 1);
REG_FIELD(CAP_S64A, 31, 1);
REG_FIELD(CAP2_BOH, 0, 1);
REG_FIELD(BOHC_BOS, 0, 1); /* the BIOS owns it */
REG_FIELD(BOHC_OOS, 1, 1); /* the system wants it */
REG_FIELD(BOHC_BB, 4, 1);  /* the BIOS is busy */
REG_FIELD(GHC_HR, 0, 1);
REG_FIELD(GHC_IE, 1, 1);
REG_FIELD(GHC_AE, 31, 1);

REG_FIELD(CMD_ST, 0, 1);
REG_FIELD(CMD_SUD, 1, 1);
REG_FIELD(CMD_POD, 2, 1);
REG_FIELD(CMD_CLO, 3, 1);
REG_FIELD(CMD_FRE, 4, 1);
REG_FIELD(CMD_FR, 14, 1);
REG_FIELD(CMD_CR, 15, 1);
REG_FIELD(CMD_ICC, 28, 4);
enum { CMD_ICC_ACTIVE = 1 };

REG_FIELD(TFD_STATUS, 0, 8);
REG_FIELD(TFD_ERROR, 8, 8);
REG_FIELD(SSTS_DET, 0, 4);
REG_FIELD(SSTS_SPD, 4, 4);
REG_FIELD(SERR_N, 16, 1); /* the link went down or came up */
REG_FIELD(SERR_X, 26, 1); /* a disk spoke up */
REG_FIELD(SCTL_DET, 0, 4);
REG_FIELD(SCTL_IPM, 8, 4);
enum { DET_NONE = 0, DET_SEEN = 1, DET_PRESENT = 3, SCTL_DET_RESET = 1, SCTL_IPM_OFF = 3 };

enum port_signature {
	SIGNATURE_ATA = 0x00000101,
	SIGNATURE_ATAPI = (int)0xeb140101,
	SIGNATURE_MULTIPLIER = (int)0x96690101,
	SIGNATURE_ENCLOSURE = (int)0xc33c0101,
};

/* PxIS and PxIE [3.3.5]. */
enum {
	IS_DHRS = 1 << 0,
	IS_PSS = 1 << 1,
	IS_SDBS = 1 << 3,
	IS_UFS = 1 << 4,
	IS_PCS = 1 << 6,
	IS_PRCS = 1 << 22,
	IS_OFS = 1 << 24,
	IS_INFS = 1 << 26,
	IS_IFS = 1 << 27,
	IS_HBDS = 1 << 28,
	IS_HBFS = 1 << 29,
	IS_TFES = 1 << 30,
	IS_ERRORS = IS_UFS | IS_OFS | IS_IFS | IS_HBDS | IS_HBFS | IS_TFES,
	IS_FATAL = IS_IFS | IS_HBDS | IS_HBFS, /* [6.1]: what runs is not known any more */
	IS_LINK = IS_PCS | IS_PRCS,
	IS_WANTED = IS_DHRS | IS_SDBS | IS_ERRORS | IS_LINK,
};
