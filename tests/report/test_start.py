import subprocess
import sys


def test_importing_the_report_loads_no_heavy_library():
  code = (
    "import sys; from medfm.report import html, tables; "
    "heavy = {'jax', 'matplotlib', 'sklearn', 'pandas'} & set(sys.modules); "
    "sys.exit(str(heavy) if heavy else 0)"
  )
  subprocess.run([sys.executable, "-c", code], check=True)
