// What capabilities need where the compiler is asked for plain C.
#define _GNU_SOURCE 1

#include "priority.h"

#ifdef __linux__
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void pr_keep(void) {
  int value = getpriority(PRIO_PROCESS, 0);
  if (value <= 0) return;
  struct rlimit limit; // of 20 less the lowest nice value
  if (getrlimit(RLIMIT_NICE, &limit) == 0 && limit.rlim_cur > (rlim_t)(20 - value)) {
    limit.rlim_cur = (rlim_t)(20 - value);
    setrlimit(RLIMIT_NICE, &limit);
  }
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
  if (syscall(SYS_capget, &header, sets) != 0) return;
  sets[CAP_TO_INDEX(CAP_SYS_NICE)].effective &= ~CAP_TO_MASK(CAP_SYS_NICE);
  syscall(SYS_capset, &header, sets);
}
#else
void pr_keep(void) {}
#endif
