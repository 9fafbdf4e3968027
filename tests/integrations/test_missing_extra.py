"""Without Lightning the error names what to install, and nothing else asks for it."""

import subprocess
import sys


def test_the_callback_names_its_extra_and_scalars_need_none():
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('lightning', 'pytorch_lightning', 'tensorboard')))\n"
        "import byheart, byheart.integrations.tensorboard\n"
        "print('torch' in sys.modules)\n"
        "try:\n"
        "    import byheart.integrations.lightning\n"
        "except byheart.MissingExtraError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines() == [
        "False",
        'the callback needs lightning, which is missing; pip install "byheart[lightning]"',
    ]
