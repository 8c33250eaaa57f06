// SPDX-License-Identifier: Apache-2.0

package large

import (
	"fmt"
	"strings"
)

// distributions are Python packages, some of them old ones.
var distributions = strings.Fields(`
Django==2.2.0 requests==2.19.1 PyYAML==5.1 Jinja2==2.10 urllib3==1.24.1 cryptography==2.6.1 Pillow==6.0.0 Flask==0.12.2 Werkzeug==0.15.2
lxml==4.2.5 numpy==1.16.0 pandas==0.24.2 scipy==1.2.1 SQLAlchemy==1.3.0 aiohttp==3.6.2 tornado==5.1 certifi==2019.3.9 idna==2.8 chardet==3.0.4
six==1.12.0 setuptools==40.8.0 pip==19.0.3 wheel==0.33.1 click==7.0 itsdangerous==1.1.0 MarkupSafe==1.1.1 paramiko==2.4.1 celery==4.3.0
redis==3.2.1 psycopg2==2.8.2 gunicorn==19.9.0 boto3==1.9.130 botocore==1.12.130 s3transfer==0.2.0 jmespath==0.9.4 python-dateutil==2.8.0
pytz==2019.1 docutils==0.14 pycrypto==2.6.1 rsa==3.4.2 pyasn1==0.4.5 httplib2==0.11.3 bleach==3.1.0 feedparser==5.2.1 ujson==1.35 waitress==1.2.1
`)

const modulesPerDistribution = 24

// python is a site-packages directory: metadata as pip writes it, and modules.
func python(licence []byte) *layer {
	l := &layer{step: "RUN pip install -r requirements.txt"}
	r := random(2)
	const site = "usr/local/lib/python3.9/site-packages/"
	for _, d := range distributions {
		name, version, _ := strings.Cut(d, "==")
		info := fmt.Sprintf("%s%s-%s.dist-info/", site, strings.ReplaceAll(name, "-", "_"), version)
		pkg := site + strings.ToLower(strings.ReplaceAll(name, "-", "_")) + "/"
		var record strings.Builder
		for i := range modulesPerDistribution {
			p := fmt.Sprintf("%smodule%d.py", pkg, i)
			l.add(p, 0o644, pythonSource(&r))
			fmt.Fprintf(&record, "%s,sha256=%s,%d\n", strings.TrimPrefix(p, site), r.letters(alnum, 43), l.files[len(l.files)-1].size)
		}
		l.add(info+"RECORD", 0o644, []byte(record.String()))
		l.add(info+"WHEEL", 0o644, []byte("Wheel-Version: 1.0\nGenerator: bdist_wheel (0.33.1)\nRoot-Is-Purelib: true\nTag: py3-none-any\n"))
		l.add(info+"INSTALLER", 0o644, []byte("pip\n"))
		l.add(info+"LICENSE", 0o644, licence)
		l.add(info+"METADATA", 0o644, fmt.Appendf(nil, "Metadata-Version: 2.1\nName: %s\nVersion: %s\nSummary: %s %s\nLicense-File: LICENSE\n\n%s\n",
			name, version, r.of(words), r.of(words), prose(&r, 300)))
	}
	return l
}

func pythonSource(r *random) []byte {
	var b strings.Builder
	for range 20 + r.n(60) {
		fmt.Fprintf(&b, "def %s_%s(self, %s, key=None):\n    \"\"\"%s\"\"\"\n    if %s is None:\n        return self.%s[%d]\n    token = self._%s.get('%s')\n    return token or %q\n\n\n",
			r.of(words), r.of(words), r.of(words), prose(r, 12), r.of(words), r.of(words), r.n(1000), r.of(words), r.of(words), r.letters(alnum, 6+r.n(20)))
	}
	return []byte(b.String())
}
