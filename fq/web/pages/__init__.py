"""The pages, in the order of the menu."""

from fq.web.pages.doctor import DOCTOR
from fq.web.pages.edit import EDIT
from fq.web.pages.message import MESSAGE
from fq.web.pages.messages import MESSAGES
from fq.web.pages.overview import OVERVIEW
from fq.web.pages.queues import QUEUES
from fq.web.pages.schedules import SCHEDULES
from fq.web.pages.stacks import STACKS
from fq.web.pages.workers import WORKERS
from fq.web.pages.workflow import WORKFLOW
from fq.web.site import Page

PAGES: tuple[Page, ...] = (OVERVIEW, MESSAGES, QUEUES, WORKERS, SCHEDULES, DOCTOR, MESSAGE, WORKFLOW, EDIT, STACKS)
