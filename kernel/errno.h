/* Errors, with Linux's numbers, which 9P2000.L uses too. */
#pragma once

#define EPERM		1
#define ENOENT		2
#define ESRCH		3
#define EINTR		4
#define EIO		5
#define ENXIO		6
#define E2BIG		7
#define ENOEXEC		8
#define EBADF		9
#define ECHILD		10
#define EAGAIN		11
#define ENOMEM		12
#define EACCES		13
#define EFAULT		14
#define EBUSY		16
#define EEXIST		17
#define EXDEV		18
#define ENODEV		19
#define ENOTDIR		20
#define EISDIR		21
#define EINVAL		22
#define EMFILE		24
#define EFBIG		27
#define ENOSPC		28
#define ESPIPE		29
#define EROFS		30
#define EPIPE		32
#define ERANGE		34
#define ENAMETOOLONG	36
#define ENOLCK		37
#define ENOSYS		38
#define ELOOP		40
#define ENODATA		61
#define EPROTO		71
#define ERESTART	85	/* never a user's: rpc.h */
#define EOPNOTSUPP	95
#define ETIMEDOUT	110
#define EHOSTDOWN	112
#define ESTALE		116
