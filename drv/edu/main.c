/* edu: serves QEMU's educational device at /dev/edu; see edu.c. */
#include "edu.h"

int
main(int argc, char **argv)
{
	return sip_main(argc, argv, &edu_type);
}
