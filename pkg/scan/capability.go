// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"encoding/binary"
	"slices"
	"strconv"
)

// xattrCapability is where a tar keeps the extended attribute of file capabilities.
const xattrCapability = "SCHILY.xattr.security.capability"

// capSet is a set of capabilities by their numbers.
type capSet uint64

// damagedCaps marks an attribute that cannot be read. What it grants is not known.
const damagedCaps capSet = 1 << 63

// decodeCapability reads the value of the attribute (struct vfs_cap_data of
// linux/capability.h, little endian). Permitted and inheritable sets count alike.
func decodeCapability(b string) capSet {
	const revisionMask, revision1, revision2, revision3 = 0xff000000, 0x01000000, 0x02000000, 0x03000000
	if len(b) < 4 {
		return damagedCaps
	}
	data := []byte(b)
	words, size := 1, 12
	switch binary.LittleEndian.Uint32(data) & revisionMask {
	case revision1:
	case revision2:
		words, size = 2, 20
	case revision3: // with the user id of a namespace's root
		words, size = 2, 24
	default:
		return damagedCaps
	}
	if len(data) != size {
		return damagedCaps
	}
	var set capSet
	for i := range words {
		permitted := binary.LittleEndian.Uint32(data[4+8*i:])
		inheritable := binary.LittleEndian.Uint32(data[8+8*i:])
		set |= capSet(permitted|inheritable) << (32 * i)
	}
	return set
}

// names are those of capabilities(7), sorted. A damaged attribute is "unknown".
func (s capSet) names() []string {
	var names []string
	if s&damagedCaps != 0 {
		names = append(names, "unknown")
	}
	for i := range 63 {
		switch {
		case s&(1<<i) == 0:
		case i < len(capNames):
			names = append(names, "cap_"+capNames[i])
		default:
			names = append(names, "cap_"+strconv.Itoa(i))
		}
	}
	slices.Sort(names)
	return names
}

// capNames are the capabilities of Linux by number.
var capNames = [...]string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
	"linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
	"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
	"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
	"checkpoint_restore",
}
